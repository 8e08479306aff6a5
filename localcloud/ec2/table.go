package ec2

import "encoding/json"

// table holds the rows of one kind of one region in memory. Rows are immutable once put: to change one, copy it, change
// the copy and put that. Readers may therefore keep rows after the region's lock is gone.
type table[T any] struct {
	bucket string
	rows   map[string]*T
	// changed keeps derived indexes; it runs for every put, drop, undo and load with the row before and after (nil for none).
	changed func(before, after *T)
}

func newTable[T any](r *region, name string, changed func(before, after *T)) *table[T] {
	t := &table[T]{bucket: "ec2/" + r.name + "/" + name, rows: map[string]*T{}, changed: changed}
	r.loaders = append(r.loaders, loader{bucket: t.bucket, reset: t.reset, load: t.load})
	return t
}

// get returns the row, or nil when there is none.
func (t *table[T]) get(id string) *T { return t.rows[id] }

// put stores a row in this transaction.
func (t *table[T]) put(tx *txn, id string, row *T) {
	before := t.rows[id]
	t.set(id, row)
	tx.undo = append(tx.undo, func() { t.set(id, before) })
	tx.writes = append(tx.writes, write{bucket: t.bucket, key: id, value: row})
}

// drop removes a row in this transaction; removing what is not there is fine.
func (t *table[T]) drop(tx *txn, id string) {
	before := t.rows[id]
	if before == nil {
		return
	}
	t.set(id, nil)
	tx.undo = append(tx.undo, func() { t.set(id, before) })
	tx.writes = append(tx.writes, write{bucket: t.bucket, key: id})
}

func (t *table[T]) set(id string, row *T) {
	before := t.rows[id]
	if row == nil {
		delete(t.rows, id)
	} else {
		t.rows[id] = row
	}
	if t.changed != nil {
		t.changed(before, row)
	}
}

func (t *table[T]) reset() {
	for id := range t.rows {
		t.set(id, nil)
	}
}

func (t *table[T]) load(id string, raw []byte) error {
	row := new(T)
	if err := json.Unmarshal(raw, row); err != nil {
		return err
	}
	t.set(id, row)
	return nil
}

// loader fills one table from the store.
type loader struct {
	bucket string
	reset  func()
	load   func(id string, raw []byte) error
}

// txn is one change of a region's state: all of it happens, in memory and on disk, or none.
type txn struct {
	undo   []func()
	writes []write
	// after holds what has to be started once the change is durable.
	after []func()
}

func (tx *txn) then(f func()) { tx.after = append(tx.after, f) }

func (tx *txn) rollback() { tx.rollbackTo(savepoint{}) }

// savepoint is a moment in a transaction.
type savepoint struct{ undo, writes, after int }

func (tx *txn) save() savepoint { return savepoint{len(tx.undo), len(tx.writes), len(tx.after)} }

// rollbackTo takes back what was changed since the savepoint.
func (tx *txn) rollbackTo(p savepoint) {
	for i := len(tx.undo) - 1; i >= p.undo; i-- {
		tx.undo[i]()
	}
	tx.undo, tx.writes, tx.after = tx.undo[:p.undo], tx.writes[:p.writes], tx.after[:p.after]
}

// write is one row to store; a nil value deletes it.
type write struct {
	bucket, key string
	value       any
}
