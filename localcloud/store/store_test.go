package store

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
)

type thing struct{ Name string }

func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestPutGetListDelete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "state.db")
	db := open(t, path)
	err := db.Update(func(tx *Tx) error {
		for _, name := range []string{"b/1", "a/2", "a/1"} {
			if err := Put(tx, "things", name, thing{name}); err != nil {
				return err
			}
		}
		return Delete(tx, "things", "missing")
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	db = open(t, path)
	err = db.View(func(tx *Tx) error {
		if v, ok, err := Get[thing](tx, "things", "a/1"); !ok || err != nil || v.Name != "a/1" {
			t.Errorf("Get = %v, %v, %v", v, ok, err)
		}
		if _, ok, err := Get[thing](tx, "nothing", "x"); ok || err != nil {
			t.Errorf("Get from an absent bucket = %v, %v", ok, err)
		}
		all, err := ListPrefix[thing](tx, "things", "a/")
		if want := []thing{{"a/1"}, {"a/2"}}; !slices.Equal(all, want) {
			t.Errorf("ListPrefix = %v, %v", all, err)
		}
		if err := Put(tx, "things", "x", thing{}); err == nil {
			t.Error("a View can write")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	fail := errors.New("fail")
	err := db.Update(func(tx *Tx) error {
		tx.OnCommit(func() { t.Error("OnCommit ran without a commit") })
		if err := Put(tx, "things", "x", thing{"x"}); err != nil {
			return err
		}
		return fail
	})
	if !errors.Is(err, fail) {
		t.Errorf("Update = %v", err)
	}
	db.View(func(tx *Tx) error {
		if _, ok, _ := Get[thing](tx, "things", "x"); ok {
			t.Error("a failed update left a value")
		}
		return nil
	})
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path)
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second Open = %v, want ErrLocked", err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "state.db"))
	for b.Loop() {
		if err := db.Update(func(tx *Tx) error { return Put(tx, "things", "x", thing{"x"}) }); err != nil {
			b.Fatal(err)
		}
	}
}
