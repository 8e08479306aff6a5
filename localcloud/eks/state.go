package eks

import (
	"fmt"

	"github.com/automode-dev/automode/localcloud/store"
)

// Buckets of the state file.
const (
	bucketClusters     = "eks/clusters"
	bucketUpdates      = "eks/updates"
	bucketEntries      = "eks/access-entries"
	bucketAssociations = "eks/pod-identity-associations"
)

// getCluster returns the record or AWS's error for a cluster that is not there.
func getCluster(tx *store.Tx, region, name string) (*record, error) {
	r, ok, err := store.Get[record](tx, bucketClusters, recordKey(region, name))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noCluster(name)
	}
	return &r, nil
}

func putCluster(tx *store.Tx, r *record) error { return store.Put(tx, bucketClusters, r.key(), r) }

// entriesOf returns the access entries of a cluster, ordered by principal.
func entriesOf(tx *store.Tx, region, cluster string) ([]entryRecord, error) {
	return store.ListPrefix[entryRecord](tx, bucketEntries, recordKey(region, cluster)+"/")
}

// forget deletes everything that is kept of a cluster.
func forget(tx *store.Tx, r *record) error {
	for _, bucket := range []string{bucketUpdates, bucketEntries, bucketAssociations} {
		if err := deletePrefix(tx, bucket, r.key()+"/"); err != nil {
			return err
		}
	}
	return store.Delete(tx, bucketClusters, r.key())
}

func deletePrefix(tx *store.Tx, bucket, prefix string) error {
	var keys []string
	err := store.Each(tx, bucket, prefix, func(key string, _ struct{}) error {
		keys = append(keys, key)
		return nil
	})
	for _, key := range keys {
		if err == nil {
			err = store.Delete(tx, bucket, key)
		}
	}
	if err != nil {
		return fmt.Errorf("deleting %s under %q: %w", bucket, prefix, err)
	}
	return nil
}

// edit changes the cluster's record in one transaction; nothing is written
// when change fails.
func (s *Service) edit(region, name string, change func(*store.Tx, *record) error) (*record, error) {
	var r *record
	err := s.db.Update(func(tx *store.Tx) error {
		var err error
		if r, err = getCluster(tx, region, name); err != nil {
			return err
		}
		if err := change(tx, r); err != nil {
			return err
		}
		return putCluster(tx, r)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// load reads the cluster's record.
func (s *Service) load(region, name string) (*record, error) {
	var r *record
	err := s.db.View(func(tx *store.Tx) (err error) {
		r, err = getCluster(tx, region, name)
		return err
	})
	return r, err
}
