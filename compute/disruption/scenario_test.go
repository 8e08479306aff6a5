package disruption

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	corev1 "k8s.io/api/core/v1"
)

var update = flag.Bool("update", false, "rewrite the expected plans in testdata")

// TestScenarios replays the cases of testdata: a cluster in words, and the plan
// for it below three dashes.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, cases := splitCases(string(raw))
		var rewritten strings.Builder
		rewritten.WriteString(head)
		for _, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+c.name, func(t *testing.T) {
				got := run(t, head+c.input)
				if !*update {
					if diff := cmp.Diff(c.want, got); diff != "" {
						t.Errorf("plan differs (-want +got):\n%s", diff)
					}
				}
				fmt.Fprintf(&rewritten, "=== %s\n%s---\n%s\n", c.name, c.input, got)
			})
		}
		if *update {
			if err := os.WriteFile(file, []byte(rewritten.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

type scenario struct{ name, input, want string }

// splitCases cuts a file into cases. Lines before the first belong to all.
func splitCases(text string) (head string, cases []scenario) {
	parts := regexp.MustCompile(`(?m)^=== `).Split(text, -1)
	for _, part := range parts[1:] {
		name, rest, _ := strings.Cut(part, "\n")
		input, want, _ := strings.Cut(rest, "---\n")
		cases = append(cases, scenario{name, input, strings.TrimSuffix(want, "\n")})
	}
	return parts[0], cases
}

// run plans the cluster of a scenario, or with a line "then:" validates the plan
// in the cluster as it is after further lines.
func run(t *testing.T, input string) string {
	t.Helper()
	first, second, changed := strings.Cut(input, "then:\n")
	s := parse(t, first)
	plan := Disrupt(s)
	check(t, s, plan)
	if again := Disrupt(s); describe(again) != describe(plan) {
		t.Errorf("the same snapshot gave another plan:\n%s\n%s", describe(plan), describe(again))
	}
	if !changed {
		return describe(plan)
	}
	later := parse(t, first+second)
	valid, dropped := Validate(plan, later)
	check(t, later, valid)
	var b strings.Builder
	b.WriteString("planned:\n" + describeSteps(plan.Steps) + "later:\n" + describeSteps(valid.Steps))
	for _, d := range dropped {
		fmt.Fprintf(&b, "  dropped %s: %s\n", names(d.Step.Nodes), d.Why)
	}
	fmt.Fprintf(&b, "  solves %d\n", valid.Solves)
	return b.String()
}

func describe(p Plan) string {
	var b strings.Builder
	b.WriteString(describeSteps(p.Steps))
	for _, s := range p.Stays {
		fmt.Fprintf(&b, "stay %s %s: %s\n", s.Node, s.Kind, s.Message)
	}
	for _, s := range p.Pools {
		fmt.Fprintf(&b, "pool %s: nothing may go for %s\n", s.Pool, s.Reason)
	}
	fmt.Fprintf(&b, "price %s -> %s\n", dollars(p.PriceBefore), dollars(p.PriceAfter))
	return b.String()
}

func describeSteps(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%s %s, saves %s\n", s.Reason, names(s.Nodes), dollars(s.Saving()))
		for _, x := range s.Placements {
			fmt.Fprintf(&b, "  %s on %s\n", podNames(x.Pods), x.Node)
		}
		for _, c := range s.Claims {
			list := c.Types
			if len(list) > 4 {
				list = append(slices.Clone(list[:4]), fmt.Sprintf("and %d more", len(list)-4))
			}
			fmt.Fprintf(&b, "  %s on new %s: %s %s %s\n", podNames(c.Pods), c.Pool, strings.Join(list, " "), c.Cheapest.CapacityType, dollars(c.Cheapest.Price))
		}
		if s.Static != "" {
			fmt.Fprintf(&b, "  one new of static %s\n", s.Static)
		}
		for _, x := range s.Scores {
			fmt.Fprintf(&b, "  score %.2f >= threshold %.2f (savings %.1f%%, disruption %.1f%%) in %s\n", x.Score, x.Threshold, 100*x.Savings, 100*x.Disruption, x.Pool)
		}
	}
	return b.String()
}

func names(list []Removal) string {
	var out []string
	for _, r := range list {
		out = append(out, r.Node)
	}
	return strings.Join(out, " ")
}

func podNames(pods []*corev1.Pod) string {
	count := map[string]int{}
	for _, p := range pods {
		count[p.Labels["app"]]++
	}
	var out []string
	for _, app := range slices.Sorted(maps.Keys(count)) {
		out = append(out, fmt.Sprintf("%dx %s", count[app], app))
	}
	return strings.Join(out, ", ")
}

func dollars(v float64) string { return "$" + strconv.FormatFloat(v, 'f', 4, 64) }
