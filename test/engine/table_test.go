package engine

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

var (
	tableFlag = flag.String("table", "", "print a table at full size: speed, types, pools, preferences, price, existing, consolidate, shrink or memory")
	podsFlag  = flag.String("pods", "", "numbers of pods, separated by commas")
	nodesFlag = flag.String("nodes", "", "numbers of nodes, separated by commas")
	typesFlag = flag.String("types", "", "numbers of made-up instance types, separated by commas")
	poolsFlag = flag.String("pools", "", "numbers of NodePools, separated by commas")
	mixesFlag = flag.String("mixes", "", "workloads of the price and shrink tables, separated by commas")
	allowFlag = flag.String("allow", "", "sets of real types of the price and shrink tables, separated by commas")
	mostFlag  = flag.Int("karpenter-most", -1, "leave Karpenter out of rows with more pods than this, nodes in tables of nodes")
)

// params say what the rows of a table are about.
type params struct {
	pods, nodes, types, pools []int
	mixes, allow              []string
	most                      int
	seed                      uint64
	once                      bool // measure without repeating
}

// table is printed with the sizes of small in every test run, so that it cannot
// rot, and with those of full when asked for.
type table struct {
	name        string
	full, small params
	print       func(io.Writer, params) error
}

// tables are what TestTable can print.
var tables = []table{
	{"speed", params{pods: []int{100, 1000, 5000, 10000, 100000}, types: []int{400}, pools: []int{1}, most: 10000},
		params{pods: []int{50}, types: []int{10}, pools: []int{1}, most: 50}, diverse},
	{"types", params{pods: []int{1000}, types: []int{50, 100, 200, 400, 800}, pools: []int{1}, most: 1000},
		params{pods: []int{10}, types: []int{5, 10}, pools: []int{1}, most: 10}, diverse},
	{"pools", params{pods: []int{1000}, types: []int{400}, pools: []int{1, 5, 20, 50}, most: 1000},
		params{pods: []int{10}, types: []int{10}, pools: []int{3}, most: 10}, diverse},
	{"preferences", params{pods: []int{1000, 4000}, types: []int{400}, pools: []int{1}, most: 1000},
		params{pods: []int{20}, types: []int{10}, pools: []int{1}, most: 20}, preferences},
	{"price", params{pods: []int{60, 250, 1000}, mixes: mixNames(), allow: allowedNames(), most: 1000},
		params{pods: []int{20}, mixes: []string{"equal", "gpu", "anything"}, allow: []string{"x86-16"}, most: 20}, prices},
	{"existing", params{pods: []int{1000}, nodes: []int{100, 500, 1000, 2000, 5000}, types: []int{400}, most: 5000},
		params{pods: []int{20}, nodes: []int{10}, types: []int{10}, most: 20}, existing},
	{"consolidate", params{nodes: []int{500, 1000, 2000, 5000}, types: []int{400}, most: 2000},
		params{nodes: []int{12}, types: []int{10}, most: 12}, consolidate},
	{"shrink", params{pods: []int{250, 1000}, mixes: mixNames(), allow: []string{"x86", "x86-32"}, most: 1000},
		params{pods: []int{30}, mixes: []string{"deployments"}, allow: []string{"x86-16"}, most: 30}, shrink},
	{"memory", params{nodes: []int{500, 5000}, types: []int{400}, most: 500},
		params{nodes: []int{5}, types: []int{10}, most: 5}, memory},
}

// TestTable prints figures of both sides from one run. Nothing is asserted about
// figures, because a busy machine is no reason to fail; a pod that is left out is.
func TestTable(t *testing.T) {
	if *tableFlag == "" {
		for _, x := range tables {
			t.Run(x.name, func(t *testing.T) {
				x.small.seed, x.small.once = *seed, true
				if err := x.print(t.Output(), x.small); err != nil {
					t.Error(err)
				}
			})
		}
		return
	}
	i := slices.IndexFunc(tables, func(x table) bool { return x.name == *tableFlag })
	if i < 0 {
		t.Fatalf("unknown table %q", *tableFlag)
	}
	p, err := override(tables[i].full)
	if err == nil {
		err = tables[i].print(os.Stdout, p)
	}
	if err != nil {
		t.Error(err)
	}
}

// override puts what the flags say in place of a table's own sizes.
func override(p params) (params, error) {
	p.seed = *seed
	for _, f := range []struct {
		name, text string
		list       *[]int
	}{{"pods", *podsFlag, &p.pods}, {"nodes", *nodesFlag, &p.nodes}, {"types", *typesFlag, &p.types}, {"pools", *poolsFlag, &p.pools}} {
		if f.text == "" {
			continue
		}
		*f.list = nil
		for _, word := range strings.Split(f.text, ",") {
			var n int
			if _, err := fmt.Sscan(word, &n); err != nil || n < 1 {
				return p, fmt.Errorf("flag -%s: %q is not a number of %s", f.name, word, f.name)
			}
			*f.list = append(*f.list, n)
		}
	}
	if *mixesFlag != "" {
		p.mixes = strings.Split(*mixesFlag, ",")
	}
	if *allowFlag != "" {
		p.allow = strings.Split(*allowFlag, ",")
	}
	if *mostFlag >= 0 {
		p.most = *mostFlag
	}
	return p, nil
}

func mixNames() []string {
	var out []string
	for _, m := range Mixes {
		out = append(out, m.Name)
	}
	return out
}

func allowedNames() []string {
	var out []string
	for _, a := range AllowedTypes {
		out = append(out, a.Name)
	}
	return out
}

// chosen finds the mixes and sets of types by name.
func (p params) chosen() (mixes []Mix, allowed []Allowed, err error) {
	for _, name := range p.mixes {
		i := slices.IndexFunc(Mixes, func(m Mix) bool { return m.Name == name })
		if i < 0 {
			return nil, nil, fmt.Errorf("unknown mix %q, there are %s", name, strings.Join(mixNames(), ", "))
		}
		mixes = append(mixes, Mixes[i])
	}
	for _, name := range p.allow {
		i := slices.IndexFunc(AllowedTypes, func(a Allowed) bool { return a.Name == name })
		if i < 0 {
			return nil, nil, fmt.Errorf("unknown set of types %q, there are %s", name, strings.Join(allowedNames(), ", "))
		}
		allowed = append(allowed, AllowedTypes[i])
	}
	return mixes, allowed, nil
}

// decider is one of the two sides with a cluster.
type decider interface {
	Provision() (Decision, error)
	Consolidate() (Decision, error)
}

// measured is a decision and what it took.
type measured struct {
	Decision
	Usage
}

// measure has one side decide about a cluster.
func (p params) measure(c *Cluster, side func(*Cluster) (decider, error), decide func(decider) (Decision, error)) (measured, error) {
	var m measured
	prepare := func() (func() error, error) {
		d, err := side(c)
		return func() (err error) {
			m.Decision, err = decide(d)
			return err
		}, err
	}
	var err error
	if p.once {
		m.Usage, err = Measure(1, prepare)
	} else {
		m.Usage, err = Measure(mostRuns, prepare)
	}
	return m, err
}

func ourSide(c *Cluster) (decider, error) { return NewEngine(c), nil }

func karpenterSide(c *Cluster) (decider, error) { return NewKarpenter(c) }

// both measures the engine, and Karpenter where a row is not too large for it.
func (p params) both(c *Cluster, size int, decide func(decider) (Decision, error)) (ours, theirs measured, err error) {
	if ours, err = p.measure(c, ourSide, decide); err != nil || size > p.most {
		return ours, theirs, err
	}
	theirs, err = p.measure(c, karpenterSide, decide)
	return ours, theirs, err
}
