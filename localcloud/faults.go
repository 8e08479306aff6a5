package localcloud

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/wire"
)

// Which selects calls; an empty field or "*" is any.
type Which struct {
	Service   string `json:"service,omitempty"`
	Operation string `json:"operation,omitempty"`
}

func (w Which) matches(c *wire.Call) bool {
	return (w.Service == "" || w.Service == "*" || w.Service == c.Service) &&
		(w.Operation == "" || w.Operation == "*" || w.Operation == c.Operation)
}

// Throttle is a token bucket for the calls it selects, together.
type Throttle struct {
	Which
	Rate  float64 `json:"rate"` // calls per second
	Burst float64 `json:"burst"`

	tokens float64
	filled time.Time
}

// Fault is an error instead of a result.
type Fault struct {
	Which
	Code    string `json:"code"`
	Message string `json:"message"`
	Status  int    `json:"status,omitempty"`
	Times   int    `json:"times,omitempty"` // how many calls fail; 0 is all
	// Caller limits the fault to callers whose ARN it is.
	Caller string `json:"caller,omitempty"`

	failed int
}

// Delay is added before calls.
type Delay struct {
	Which
	Delay Duration `json:"delay"`
}

// faults are what is done to calls on purpose.
type faults struct {
	clock     clock.PassiveClock
	mu        sync.Mutex
	throttles []*Throttle
	errors    []*Fault
	delays    []Delay
}

func (f *faults) setThrottles(list []*Throttle) error {
	for _, t := range list {
		if t.Rate <= 0 || t.Burst < 1 {
			return fmt.Errorf("throttle of %s %s: rate must be above 0 and burst at least 1", t.Service, t.Operation)
		}
		t.tokens, t.filled = t.Burst, f.clock.Now()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.throttles = list
	return nil
}

func (f *faults) setErrors(list []*Fault) error {
	for _, e := range list {
		if e.Code == "" {
			return fmt.Errorf("error of %s %s: code is missing", e.Service, e.Operation)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors = list
	return nil
}

func (f *faults) setDelays(list []Delay) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delays = list
	return nil
}

// inject is the middleware.
func (f *faults) inject(next wire.Invoke) wire.Invoke {
	return func(ctx context.Context, call *wire.Call, input any) (any, error) {
		delay, err := f.verdict(call)
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if err != nil {
			return nil, err
		}
		return next(ctx, call, input)
	}
}

func (f *faults) verdict(call *wire.Call) (delay time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.delays {
		if d.matches(call) {
			delay += time.Duration(d.Delay)
		}
	}
	for _, t := range f.throttles {
		if t.matches(call) && !t.take(f.clock.Now()) {
			return delay, wire.ErrThrottled
		}
	}
	for _, e := range f.errors {
		if !e.matches(call) || e.Caller != "" && e.Caller != call.Caller.ARN || e.Times > 0 && e.failed >= e.Times {
			continue
		}
		e.failed++
		return delay, &wire.Error{Code: e.Code, Message: e.Message, Status: e.Status}
	}
	return delay, nil
}

func (t *Throttle) take(now time.Time) bool {
	t.tokens = min(t.Burst, t.tokens+now.Sub(t.filled).Seconds()*t.Rate)
	t.filled = now
	if t.tokens < 1 {
		return false
	}
	t.tokens--
	return true
}
