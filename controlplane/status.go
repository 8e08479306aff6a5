package controlplane

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/automode-dev/automode/internal/supervise"
)

const (
	// pollEvery is how often a starting component is looked at.
	pollEvery = 50 * time.Millisecond
	// crashLimit is the number of deaths in a row after which a component that is
	// waited for is taken as unable to start.
	crashLimit = 6
)

// Condition is how one component stands.
type Condition struct {
	// Component is the name of the process.
	Component string `json:"component"`
	Healthy   bool   `json:"healthy"`
	// Reason is one word: Ready, Starting, NotReady, Crashing or NotStarted.
	Reason string `json:"reason"`
	// Message says what the component waits for and the last problem.
	Message string `json:"message,omitempty"`
	PID     int    `json:"pid,omitempty"`
	// Restarts counts those since the manager started or adopted the process.
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since,omitzero"`
}

// Status returns how each component stands, in the order in which they need
// each other; nothing for a cluster that Ensure was not called for.
func (m *Manager) Status(ctx context.Context, name string) []Condition {
	p, sup := m.find(name)
	if p == nil {
		return nil
	}
	names := []string{etcd, apiServer, controllerManager, scheduler}
	if p.spec.NetNS != "" {
		names = append(names, forwards)
	}
	conditions := make([]Condition, len(names))
	var wg sync.WaitGroup
	for i, component := range names {
		wg.Go(func() { conditions[i] = p.condition(ctx, sup.Status(component)) })
	}
	wg.Wait()
	return conditions
}

// condition joins what the supervisor knows with what the component says.
func (p *plan) condition(ctx context.Context, s supervise.Status) Condition {
	condition := Condition{Component: s.Name, PID: s.PID, Restarts: s.Restarts, Since: s.Since}
	switch s.State {
	case supervise.Unknown:
		condition.Reason, condition.Message = "NotStarted", "waiting for what it needs"
		return condition
	case supervise.Waiting:
		condition.Reason = "Crashing"
		condition.Message = withLog(fmt.Sprintf("%s; next start in %s", s.LastError,
			time.Until(s.NextStart).Round(100*time.Millisecond)), s.Log)
		return condition
	}
	var err error
	if s.Name != forwards { // has no answer of its own: the others' are
		err = p.probe(ctx, s.Name)
	}
	switch {
	case err == nil:
		condition.Healthy, condition.Reason = true, "Ready"
	case time.Since(s.Since) < 30*time.Second:
		condition.Reason, condition.Message = "Starting", err.Error()
	default:
		condition.Reason, condition.Message = "NotReady", withLog(err.Error(), s.Log)
	}
	return condition
}

// wait returns when the components are ready. It fails when ctx ends or when one
// of them keeps crashing, and says what it waited for.
func (p *plan) wait(ctx context.Context, sup *supervise.Supervisor, components ...string) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for _, component := range components {
		for {
			err := p.probe(ctx, component)
			if err == nil {
				break
			}
			status := sup.Status(component)
			if status.State == supervise.Waiting && status.Failures >= crashLimit {
				return fmt.Errorf("waiting for %s: it keeps crashing: %s", component, withLog(status.LastError, status.Log))
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for %s: %w: %s", component, context.Cause(ctx), withLog(err.Error(), status.Log))
			case <-ticker.C:
			}
		}
	}
	return nil
}

// withLog adds the last telling line of a component's log to a problem.
func withLog(problem, log string) string {
	lines := supervise.LastLines(log, 50)
	for i := len(lines) - 1; i >= 0; i-- {
		if isProblem(lines[i]) {
			return fmt.Sprintf("%s; last error in %s: %s", problem, log, strings.TrimSpace(lines[i]))
		}
	}
	return fmt.Sprintf("%s; log: %s", problem, log)
}

// isProblem recognises errors as klog ("E1121 …", "F1121 …", "Error: …") and
// etcd ({"level":"fatal"…}) write them.
func isProblem(line string) bool {
	for _, prefix := range []string{"E", "F"} {
		if len(line) > 5 && strings.HasPrefix(line, prefix) && strings.Trim(line[1:5], "0123456789") == "" {
			return true
		}
	}
	for _, level := range []string{`"level":"error"`, `"level":"fatal"`, `"level":"panic"`, "Error: ", "panic: ", "nsenter: "} {
		if strings.Contains(line, level) {
			return true
		}
	}
	return false
}
