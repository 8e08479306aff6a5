package ec2

import (
	"fmt"
	"sync"

	"github.com/automode-dev/automode/localcloud/store"
)

// commits writes the changes of all regions to the store. Changes that arrive while one is being written go to disk
// together, so that thousands of launches do not wait for thousands of syncs.
type commits struct {
	db *store.DB
	// failed is called before the waiting callers learn of an error, to bring memory back to what is on disk.
	failed func()

	mu      sync.Mutex
	wake    *sync.Cond
	pending []*commit
	closed  bool
	done    chan struct{}
}

type commit struct {
	writes []write
	result chan error
}

func newCommits(db *store.DB, failed func()) *commits {
	c := &commits{db: db, failed: failed, done: make(chan struct{})}
	c.wake = sync.NewCond(&c.mu)
	go c.run()
	return c
}

// enqueue takes the writes in order and returns a function that waits until they are on disk.
func (c *commits) enqueue(writes []write) (wait func() error) {
	if len(writes) == 0 {
		return func() error { return nil }
	}
	job := &commit{writes: writes, result: make(chan error, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return func() error { return errorf("Unavailable", "the local cloud is shutting down") }
	}
	c.pending = append(c.pending, job)
	c.wake.Signal()
	return func() error { return <-job.result }
}

func (c *commits) close() {
	c.mu.Lock()
	c.closed = true
	c.wake.Signal()
	c.mu.Unlock()
	<-c.done
}

func (c *commits) run() {
	defer close(c.done)
	for {
		jobs := c.take()
		if jobs == nil {
			return
		}
		err := c.write(jobs)
		if err != nil {
			err = fmt.Errorf("storing EC2 state: %w", err)
			c.failed()
		}
		for _, job := range jobs {
			job.result <- err
		}
	}
}

// take waits for work and returns all of it, or nil after close.
func (c *commits) take() []*commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) == 0 {
		if c.closed {
			return nil
		}
		c.wake.Wait()
	}
	jobs := c.pending
	c.pending = nil
	return jobs
}

// discard refuses what waits to be written; used when memory is read again from disk.
func (c *commits) discard(err error) {
	c.mu.Lock()
	jobs := c.pending
	c.pending = nil
	c.mu.Unlock()
	for _, job := range jobs {
		job.result <- err
	}
}

func (c *commits) write(jobs []*commit) error {
	return c.db.Update(func(tx *store.Tx) error {
		for _, job := range jobs {
			for _, w := range job.writes {
				if err := w.store(tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w write) store(tx *store.Tx) error {
	if w.value == nil {
		return store.Delete(tx, w.bucket, w.key)
	}
	return store.Put(tx, w.bucket, w.key, w.value)
}
