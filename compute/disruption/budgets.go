package disruption

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// budgets counts per pool how many nodes may go.
type budgets struct {
	now   time.Time
	pools map[string]*poolBudget
}

type poolBudget struct {
	pool  *Pool
	nodes int // that count for percentages
	gone  int // not ready, going, or taken by this plan
}

func newBudgets(s *Snapshot) *budgets {
	b := &budgets{now: s.Now, pools: map[string]*poolBudget{}}
	for i := range s.Pools {
		b.pools[s.Pools[i].Name] = &poolBudget{pool: &s.Pools[i]}
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		p := b.pools[n.Pool]
		if p == nil || n.Claim == "" || !n.Initialized || n.Terminating {
			continue
		}
		p.nodes++
		if !n.Ready || n.Deleting {
			p.gone++
		}
	}
	return b
}

// left is how many more nodes of a pool may go for a reason.
func (b *budgets) left(pool string, reason Reason) int {
	p := b.pools[pool]
	if p == nil {
		return 0
	}
	return max(0, p.allowed(b.now, reason)-p.gone)
}

func (b *budgets) take(pool string) { b.pools[pool].gone++ }

func (b *budgets) release(pool string) { b.pools[pool].gone-- }

// allowed is the smallest of the budgets that are active for a reason. A
// budget that cannot be read allows nothing.
func (p *poolBudget) allowed(now time.Time, reason Reason) int {
	out := math.MaxInt32
	for i := range p.pool.Budgets {
		b := &p.pool.Budgets[i]
		if len(b.Reasons) > 0 && !slices.Contains(b.Reasons, reason) {
			continue
		}
		n, err := b.Allowed(now, p.nodes)
		if err != nil {
			return 0
		}
		out = min(out, n)
	}
	return out
}

// Allowed is how many of a pool's nodes may be on their way out at a time.
// While the budget is not active that is any number.
func (b *Budget) Allowed(now time.Time, nodes int) (int, error) {
	active, err := b.Active(now)
	if err != nil {
		return 0, err
	}
	if !active {
		return math.MaxInt32, nil
	}
	text, percent := strings.CutSuffix(b.Nodes, "%")
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("reading budget %q: want a number or a percentage", b.Nodes)
	}
	if percent {
		n = (n*nodes + 99) / 100
	}
	return n, nil
}

// Active tells whether the budget's schedule has come up within its duration before now.
func (b *Budget) Active(now time.Time) (bool, error) {
	if b.Schedule == "" {
		return true, nil
	}
	schedule, err := cron.ParseStandard("TZ=UTC " + b.Schedule)
	if err != nil {
		return false, fmt.Errorf("reading budget schedule %q: %w", b.Schedule, err)
	}
	now = now.UTC()
	return !schedule.Next(now.Add(-b.Duration)).After(now), nil
}

// BudgetUse is how much of a pool's budgets is used.
type BudgetUse struct {
	Pool          string
	Reason        Reason
	Allowed, Used int
}

// Usage tells what the budgets of all pools allow and what nodes that are not
// ready or going use of it.
func Usage(s Snapshot) []BudgetUse {
	b := newBudgets(&s)
	var out []BudgetUse
	for i := range s.Pools {
		p := b.pools[s.Pools[i].Name]
		for _, reason := range []Reason{Empty, Drifted, Underutilized} {
			out = append(out, BudgetUse{s.Pools[i].Name, reason, p.allowed(s.Now, reason), p.gone})
		}
	}
	return out
}
