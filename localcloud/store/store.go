// Package store keeps the state of the local cloud in one bbolt file: JSON values in named buckets, ordered by
// key. A write that was acknowledged is on disk and survives kill -9. The package knows nothing of what it stores
// and never caches: services that need speed keep their own picture and write through.
package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// ErrLocked means that another process has the file open.
var ErrLocked = errors.New("the state file is in use by another process")

// DB is an open state file. It is safe for concurrent use.
type DB struct{ bolt *bbolt.DB }

// Tx is a transaction: everything written in it is committed together or not at all.
type Tx struct{ bolt *bbolt.Tx }

// Open opens or creates the file, for the owner only. It waits a second for another process to let go of it.
func Open(path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("creating directory of state file: %w", err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: time.Second, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true,
	})
	if errors.Is(err, bbolt.ErrTimeout) {
		return nil, fmt.Errorf("opening state file %s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("opening state file %s: %w", path, err)
	}
	return &DB{bolt: db}, nil
}

// Close waits for running transactions and closes the file.
func (db *DB) Close() error { return db.bolt.Close() }

// View runs f on a consistent snapshot; writes in it fail.
func (db *DB) View(f func(*Tx) error) error {
	return db.bolt.View(func(tx *bbolt.Tx) error { return f(&Tx{tx}) })
}

// Update runs f alone among the writers and commits what it wrote; an error of f rolls everything back.
// When Update returns nil, the changes are on disk.
func (db *DB) Update(f func(*Tx) error) error {
	return db.bolt.Update(func(tx *bbolt.Tx) error { return f(&Tx{tx}) })
}

// OnCommit runs f after the transaction was committed, before Update returns.
func (tx *Tx) OnCommit(f func()) { tx.bolt.OnCommit(f) }

// Put stores v as JSON under the key, creating the bucket as needed.
func Put(tx *Tx, bucket, key string, v any) error {
	b, err := tx.bolt.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return fmt.Errorf("creating bucket %s: %w", bucket, err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s %q: %w", bucket, key, err)
	}
	if err := b.Put([]byte(key), data); err != nil {
		return fmt.Errorf("storing %s %q: %w", bucket, key, err)
	}
	return nil
}

// Get returns the value under the key; ok is false when there is none.
func Get[T any](tx *Tx, bucket, key string) (v T, ok bool, err error) {
	b := tx.bolt.Bucket([]byte(bucket))
	if b == nil {
		return v, false, nil
	}
	data := b.Get([]byte(key))
	if data == nil {
		return v, false, nil
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, false, fmt.Errorf("decoding %s %q: %w", bucket, key, err)
	}
	return v, true, nil
}

// List returns all values of a bucket in the order of their keys; an absent bucket is empty.
func List[T any](tx *Tx, bucket string) ([]T, error) { return ListPrefix[T](tx, bucket, "") }

// ListPrefix returns the values whose key begins with the prefix, in the order of their keys.
func ListPrefix[T any](tx *Tx, bucket, prefix string) ([]T, error) {
	var all []T
	err := Each(tx, bucket, prefix, func(_ string, v T) error {
		all = append(all, v)
		return nil
	})
	return all, err
}

// Each calls f for every value whose key begins with the prefix, in the order of the keys, until f fails.
// f must not write to the same bucket.
func Each[T any](tx *Tx, bucket, prefix string, f func(key string, v T) error) error {
	b := tx.bolt.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	c := b.Cursor()
	for k, data := c.Seek([]byte(prefix)); k != nil && len(k) >= len(prefix) && string(k[:len(prefix)]) == prefix; k, data = c.Next() {
		var v T
		if err := json.Unmarshal(data, &v); err != nil {
			return fmt.Errorf("decoding %s %q: %w", bucket, k, err)
		}
		if err := f(string(k), v); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes the key; one that is not there is no error.
func Delete(tx *Tx, bucket, key string) error {
	b := tx.bolt.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	if err := b.Delete([]byte(key)); err != nil {
		return fmt.Errorf("deleting %s %q: %w", bucket, key, err)
	}
	return nil
}

// Next returns 1, 2, 3, … per bucket, durable with the transaction.
func Next(tx *Tx, bucket string) (uint64, error) {
	b, err := tx.bolt.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return 0, fmt.Errorf("creating bucket %s: %w", bucket, err)
	}
	return b.NextSequence()
}

// Key joins numbers into a key that sorts as they do.
func Key(n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return string(b[:])
}
