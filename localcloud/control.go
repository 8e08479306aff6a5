package localcloud

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Control is the cloud's knobs for speed and failure, and the log of calls. Values are durable.
type Control struct {
	db    *store.DB
	clock clock.PassiveClock
	calls *callLog
	fault faults

	mu    sync.RWMutex
	knobs map[string]*knob
}

// knob is one registered setting.
type knob struct {
	help  string
	get   func() any
	check func(json.RawMessage) (any, error) // parses a value
	apply func(any) error
	reset func() error
}

const controlBucket = "control"

func newControl(db *store.DB, c clock.PassiveClock) (*Control, error) {
	ctl := &Control{db: db, clock: c, calls: newCallLog(defaultCalls), knobs: map[string]*knob{}}
	ctl.fault.clock = c
	err := Knob(ctl, "throttle", "calls per second of operations: [{service, operation, rate, burst}]", nil, ctl.fault.setThrottles)
	if err == nil {
		err = Knob(ctl, "errors", "errors instead of results: [{service, operation, code, message, status, times}]", nil, ctl.fault.setErrors)
	}
	if err == nil {
		err = Knob(ctl, "latency", "delays before calls: [{service, operation, delay}]", nil, ctl.fault.setDelays)
	}
	if err == nil {
		err = Knob(ctl, "calls", "how many calls the log keeps", defaultCalls, ctl.calls.resize)
	}
	return ctl, err
}

// Knob registers a setting. apply gets the stored value, or initial, now and every later value; an error of apply
// refuses the value. Settings are changed by PUT /_automode/control/<name> with the value as JSON, and DELETE
// goes back to initial.
func Knob[T any](c *Control, name, help string, initial T, apply func(T) error) error {
	current := initial
	k := &knob{help: help, get: func() any { return current }}
	k.check = func(data json.RawMessage) (any, error) {
		var v T
		if err := json.Unmarshal(data, &v); err != nil {
			return nil, fmt.Errorf("parsing value of %s: %w", name, err)
		}
		return v, nil
	}
	k.apply = func(v any) error {
		value, _ := v.(T) // what check returned
		if err := apply(value); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
		current = value
		return nil
	}
	k.reset = func() error { return k.apply(initial) }
	var stored json.RawMessage
	err := c.db.View(func(tx *store.Tx) (err error) {
		stored, _, err = store.Get[json.RawMessage](tx, controlBucket, name)
		return err
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.knobs[name] = k
	if stored != nil {
		if v, err := k.check(stored); err == nil {
			return k.apply(v)
		}
	}
	return k.reset()
}

// Set changes a setting as PUT does.
func (c *Control) Set(name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding value of %s: %w", name, err)
	}
	return c.set(name, data)
}

func (c *Control) set(name string, data json.RawMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.knobs[name]
	if k == nil {
		return fmt.Errorf("setting %s: there is no such setting", name)
	}
	v, err := k.check(data)
	if err != nil {
		return err
	}
	if err := k.apply(v); err != nil {
		return err
	}
	return c.db.Update(func(tx *store.Tx) error { return store.Put(tx, controlBucket, name, data) })
}

func (c *Control) unset(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.knobs[name]
	if k == nil {
		return fmt.Errorf("resetting %s: there is no such setting", name)
	}
	if err := k.reset(); err != nil {
		return err
	}
	return c.db.Update(func(tx *store.Tx) error { return store.Delete(tx, controlBucket, name) })
}

// values are all settings as GET shows them.
func (c *Control) values() map[string]any {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := map[string]any{}
	for name, k := range c.knobs {
		all[name] = map[string]any{"help": k.help, "value": k.get()}
	}
	return all
}

func (c *Control) register(s *Server) {
	s.HandlePublic("GET /_automode/health", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "account": s.opts.Account, "region": s.opts.Region})
	}))
	s.HandleInternal("GET /_automode/control", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, c.values())
	}))
	s.HandleInternal("PUT /_automode/control/{name}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil {
			err = c.set(r.PathValue("name"), data)
		}
		writeResult(w, err)
	}))
	s.HandleInternal("DELETE /_automode/control/{name}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeResult(w, c.unset(r.PathValue("name")))
	}))
	s.HandleInternal("GET /_automode/calls", http.HandlerFunc(c.calls.serve))
}

func (c *Control) middleware() []wire.Middleware {
	return []wire.Middleware{c.calls.record(c.clock), c.fault.inject}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // a client that has gone does not matter
}

func writeResult(w http.ResponseWriter, err error) {
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Duration is a time.Duration that reads and writes as "1m30s" in JSON.
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("parsing duration %s: write it like \"10s\"", data)
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}
