package localcloud

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/wire"
)

const defaultCalls = 1000

// LoggedCall is one AWS call with what was decided about it.
type LoggedCall struct {
	Sequence  int64      `json:"sequence"`
	Time      time.Time  `json:"time"`
	RequestID string     `json:"requestId"`
	Service   string     `json:"service"`
	Operation string     `json:"operation"`
	Region    string     `json:"region"`
	Caller    string     `json:"caller"`
	UserAgent string     `json:"userAgent,omitempty"`
	Took      Duration   `json:"took"`
	Code      string     `json:"code,omitempty"` // of the error
	Message   string     `json:"message,omitempty"`
	Decisions []Decision `json:"decisions,omitempty"`
	Input     any        `json:"input,omitempty"` // the SDK's input struct
}

// Decision is one authorisation within a call.
type Decision struct {
	Action   string              `json:"action"`
	Resource string              `json:"resource"`
	Context  map[string][]string `json:"context,omitempty"`
	Allowed  bool                `json:"allowed"`
	Reason   string              `json:"reason,omitempty"`
}

// callLog is a ring of the latest calls.
type callLog struct {
	mu   sync.Mutex
	ring []*LoggedCall
	next int64 // sequence number of the next call
}

func newCallLog(size int) *callLog { return &callLog{ring: make([]*LoggedCall, size)} }

func (l *callLog) resize(size int) error {
	if size < 1 || size > 1_000_000 {
		return fmt.Errorf("%d calls: must be between 1 and 1000000", size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.list()
	l.ring = make([]*LoggedCall, size)
	for _, c := range old[max(0, len(old)-size):] {
		l.ring[c.Sequence%int64(size)] = c
	}
	return nil
}

// list returns the calls in order; the lock is held.
func (l *callLog) list() []*LoggedCall {
	var list []*LoggedCall
	for n := max(0, l.next-int64(len(l.ring))); n < l.next; n++ {
		if c := l.ring[n%int64(len(l.ring))]; c != nil && c.Sequence == n {
			list = append(list, c)
		}
	}
	return list
}

func (l *callLog) add(c *LoggedCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Sequence = l.next
	l.ring[l.next%int64(len(l.ring))] = c
	l.next++
}

// record is the middleware.
func (l *callLog) record(clock clock.PassiveClock) wire.Middleware {
	return func(next wire.Invoke) wire.Invoke {
		return func(ctx context.Context, call *wire.Call, input any) (any, error) {
			entry := &LoggedCall{
				Time: call.Time, RequestID: call.RequestID, Service: call.Service, Operation: call.Operation, Region: call.Region,
				Caller: call.Caller.ARN, UserAgent: call.UserAgent, Input: input,
			}
			var mu sync.Mutex // a handler may authorise from several goroutines
			ctx = access.WithRecorder(ctx, func(r access.Request, d access.Decision) {
				mu.Lock()
				defer mu.Unlock()
				entry.Decisions = append(entry.Decisions, decision(r, d))
			})
			out, err := next(ctx, call, input)
			mu.Lock()
			defer mu.Unlock()
			entry.Took = Duration(clock.Since(call.Time))
			if err != nil {
				entry.Code, entry.Message = wire.Code(err), wire.Message(err)
			}
			l.add(entry)
			return out, err
		}
	}
}

func decision(r access.Request, d access.Decision) Decision {
	out := Decision{Action: r.Action, Resource: r.Resource, Context: r.Context, Allowed: d.Allowed}
	if !d.Allowed {
		out.Reason = d.Reason(r.Action)
	}
	return out
}

// Calls returns the logged calls of a service and operation ("" for any) from a sequence number on.
func (c *Control) Calls(service, operation string, from int64) []*LoggedCall {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	var found []*LoggedCall
	for _, e := range c.calls.list() {
		if e.Sequence >= from && (Which{service, operation}).matches(&wire.Call{Service: e.Service, Operation: e.Operation}) {
			found = append(found, e)
		}
	}
	return found
}

// serve answers GET /_automode/calls?service=&operation=&caller=&code=&from=&limit=.
func (l *callLog) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, _ := strconv.ParseInt(q.Get("from"), 10, 64)
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		limit = 100
	}
	which := Which{q.Get("service"), q.Get("operation")}
	found := []*LoggedCall{}
	l.mu.Lock()
	for _, e := range l.list() {
		if e.Sequence >= from && which.matches(&wire.Call{Service: e.Service, Operation: e.Operation}) &&
			strings.Contains(e.Caller, q.Get("caller")) && (q.Get("code") == "" || q.Get("code") == e.Code) {
			found = append(found, e)
		}
	}
	l.mu.Unlock()
	writeJSON(w, http.StatusOK, found[max(0, len(found)-limit):])
}
