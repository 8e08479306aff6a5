package solver

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var update = flag.Bool("update", false, "rewrite the expected plans in testdata")

// TestScenarios replays testdata/*.txt. A file holds cases; each begins with
// "== title", describes a snapshot line by line (see scenario.line), and ends
// with "--" and the plan.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(data), "\n== ")
		rewritten := parts[0]
		for i, part := range parts {
			if i == 0 {
				continue // what the file says about itself
			}
			title, body, _ := strings.Cut(part, "\n")
			input, want, _ := strings.Cut(body, "\n--\n")
			t.Run(filepath.Base(file)+"/"+title, func(t *testing.T) {
				s := &scenario{types: map[string]*InstanceType{}}
				for n, line := range strings.Split(input, "\n") {
					if err := s.line(line); err != nil {
						t.Fatalf("line %d %q: %v", n+1, line, err)
					}
				}
				got := render(Solve(s.snapshot()))
				if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" && !*update {
					t.Errorf("(-want +got):\n%s", diff)
				}
				rewritten += "\n== " + title + "\n" + strings.TrimRight(input, "\n") + "\n--\n" + strings.TrimSpace(got) + "\n"
			})
		}
		if *update {
			if err := os.WriteFile(file, []byte(rewritten), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// scenario is a snapshot being read.
type scenario struct {
	s     Snapshot
	order []*InstanceType
	types map[string]*InstanceType
}

func (s *scenario) snapshot() Snapshot {
	for i := range s.s.Pools {
		s.s.Pools[i].Types = append(s.s.Pools[i].Types, s.order...)
	}
	return s.s
}

// line reads one line:
//
//	type NAME cpu=4 memory=16Gi [pods=N] price=0.2 [spot=0.07] [zones=a,b] [reserved=ID:N] [label K=V] [RESOURCE=N]
//	pool NAME [static] [weight=N] [limit cpu=N] [label K=V] [taint K=V:EFFECT] [require KEY OP VALUE,VALUE [min=N]]
//	node NAME type=T zone=Z [pool=P] [capacity=spot] [label K=V] [taint K=V:EFFECT] [new]
//	pods NAME COUNT [on=NODE] cpu=1 [memory=1Gi] [ns=N] [label K=V] [select K=V] [require KEY OP V] [prefer W KEY OP V]
//	    [or] [tolerate K=V:EFFECT] [spread KEY SKEW [soft] [min=N] [by=KEY]] [own KEY] [near|away KEY K=V [soft=W]] [port N] [volume ZONE] [priority N]
//	daemon NAME cpu=0.1 …
//	option ignore-preferences | relax-min-values | compare-pools
//
// A value such as v{1..3} stands for v1,v2,v3. With own each pod has a value of its own for a label.
func (s *scenario) line(line string) error {
	line, _, _ = strings.Cut(line, "#")
	w := &words{list: strings.Fields(line)}
	switch kind := w.next(); kind {
	case "":
	case "type":
		return s.typeLine(w)
	case "pool":
		return s.poolLine(w)
	case "node":
		return s.nodeLine(w)
	case "pods", "daemon":
		return s.podLine(kind, w)
	case "option":
		s.s.Options.IgnorePreferences = s.s.Options.IgnorePreferences || strings.Contains(line, "ignore-preferences")
		s.s.Options.ComparePools = s.s.Options.ComparePools || strings.Contains(line, "compare-pools")
		s.s.Options.RelaxMinValues = s.s.Options.RelaxMinValues || strings.Contains(line, "relax-min-values")
	case "namespace":
		if s.s.Namespaces == nil {
			s.s.Namespaces = map[string]map[string]string{}
		}
		name := w.next()
		k, v, _ := strings.Cut(w.next(), "=")
		s.s.Namespaces[name] = map[string]string{k: v}
	default:
		return fmt.Errorf("unknown word %q", kind)
	}
	return w.err
}

type words struct {
	list []string
	err  error
}

func (w *words) next() string {
	if len(w.list) == 0 {
		return ""
	}
	word := w.list[0]
	w.list = w.list[1:]
	return word
}

func (w *words) peek(prefix string) (string, bool) {
	if len(w.list) > 0 && strings.HasPrefix(w.list[0], prefix) {
		return strings.TrimPrefix(w.next(), prefix), true
	}
	return "", false
}

func (w *words) int() int {
	n, err := strconv.Atoi(w.next())
	if err != nil && w.err == nil {
		w.err = err
	}
	return n
}

func (s *scenario) typeLine(w *words) error {
	t := &InstanceType{Name: w.next(), Allocatable: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("110")}}
	labels := map[string]string{corev1.LabelInstanceTypeStable: t.Name, corev1.LabelArchStable: "amd64"}
	zones := []string{"a", "b", "c"}
	prices := map[string]float64{}
	reserved := ""
	for word := w.next(); word != ""; word = w.next() {
		k, v, _ := strings.Cut(word, "=")
		switch k {
		case "price", "spot":
			f, err := strconv.ParseFloat(v, 64)
			if err != nil {
				return err
			}
			prices[map[string]string{"price": "on-demand", "spot": "spot"}[k]] = f
		case "zones":
			zones = strings.Split(v, ",")
		case "reserved":
			reserved = v
		case "label":
			k, v, _ := strings.Cut(w.next(), "=")
			labels[k] = v
		default:
			t.Allocatable[corev1.ResourceName(k)] = resource.MustParse(v)
		}
	}
	t.Capacity = t.Allocatable
	t.Requirements = labelsAsRequirements(labels)
	for _, z := range zones {
		for _, ct := range []string{"on-demand", "spot"} {
			if p, ok := prices[ct]; ok {
				t.Offerings = append(t.Offerings, Offering{Labels: map[string]string{corev1.LabelTopologyZone: z, capacityTypeLabel: ct}, Price: p, Available: true})
			}
		}
	}
	if id, n, ok := strings.Cut(reserved, ":"); ok {
		left, err := strconv.Atoi(n)
		if err != nil {
			return err
		}
		t.Offerings = append(t.Offerings, Offering{Labels: map[string]string{corev1.LabelTopologyZone: zones[0], capacityTypeLabel: "reserved", "reservation-id": id},
			Price: prices["on-demand"] / 1e7, Available: left > 0, Reservation: id, Remaining: left})
	}
	s.types[t.Name] = t
	s.order = append(s.order, t)
	return nil
}

func (s *scenario) poolLine(w *words) error {
	p := Pool{Name: w.next(), Limits: corev1.ResourceList{}}
	p.Labels = map[string]string{nodePoolLabel: p.Name}
	for word := w.next(); word != ""; word = w.next() {
		k, v, _ := strings.Cut(word, "=")
		switch k {
		case "static":
			p.Static = true
		case "weight":
			n, err := strconv.Atoi(v)
			if err != nil {
				return err
			}
			p.Weight = int32(n)
		case "limit":
			k, v, _ := strings.Cut(w.next(), "=")
			p.Limits[corev1.ResourceName(k)] = resource.MustParse(v)
		case "label":
			k, v, _ := strings.Cut(w.next(), "=")
			p.Labels[k] = v
		case "taint":
			p.Taints = append(p.Taints, taint(w.next()))
		case "require":
			r := requirement(w)
			if n, ok := w.peek("min="); ok {
				r.MinValues, _ = strconv.Atoi(n)
			}
			p.Requirements = append(p.Requirements, r)
		default:
			return fmt.Errorf("unknown word %q", word)
		}
	}
	s.s.Pools = append(s.s.Pools, p)
	return nil
}

func taint(word string) corev1.Taint {
	kv, effect, _ := strings.Cut(word, ":")
	k, v, _ := strings.Cut(kv, "=")
	return corev1.Taint{Key: k, Value: v, Effect: corev1.TaintEffect(effect)}
}

// requirement reads KEY OP [VALUE,VALUE]; zone and the like are short for their labels.
func requirement(w *words) Requirement {
	r := Requirement{Key: label(w.next()), Operator: corev1.NodeSelectorOperator(w.next())}
	if r.Operator != corev1.NodeSelectorOpExists && r.Operator != corev1.NodeSelectorOpDoesNotExist {
		r.Values = expand(strings.Split(w.next(), ","))
	}
	return r
}

// expand writes out values such as v{1..3}.
func expand(values []string) []string {
	var out []string
	for _, v := range values {
		prefix, numbers, ranged := strings.Cut(strings.TrimSuffix(v, "}"), "{")
		var from, to int
		if _, err := fmt.Sscanf(numbers, "%d..%d", &from, &to); !ranged || err != nil {
			out = append(out, v)
			continue
		}
		for n := from; n <= to; n++ {
			out = append(out, prefix+strconv.Itoa(n))
		}
	}
	return out
}

func label(word string) string {
	long := map[string]string{"zone": corev1.LabelTopologyZone, "type": corev1.LabelInstanceTypeStable, "arch": corev1.LabelArchStable,
		"capacity": capacityTypeLabel, "host": corev1.LabelHostname}[word]
	if long == "" {
		return word
	}
	return long
}

func (s *scenario) nodeLine(w *words) error {
	n := Node{Name: w.next(), Initialized: true, Labels: map[string]string{capacityTypeLabel: "on-demand"}}
	n.Labels[corev1.LabelHostname] = n.Name
	for word := w.next(); word != ""; word = w.next() {
		k, v, _ := strings.Cut(word, "=")
		switch k {
		case "type":
			t := s.types[v]
			if t == nil {
				return fmt.Errorf("unknown type %q", v)
			}
			n.Allocatable, n.Capacity = t.Allocatable, t.Capacity
			for _, r := range t.Requirements {
				n.Labels[r.Key] = r.Values[0]
			}
		case "zone", "capacity":
			n.Labels[label(k)] = v
		case "pool":
			n.Pool, n.Labels[nodePoolLabel] = v, v
		case "label":
			k, v, _ := strings.Cut(w.next(), "=")
			n.Labels[k] = v
		case "taint":
			n.Taints = append(n.Taints, taint(w.next()))
		case "new":
			n.Initialized = false
		default:
			return fmt.Errorf("unknown word %q", word)
		}
	}
	s.s.Nodes = append(s.s.Nodes, n)
	return nil
}

func (s *scenario) podLine(kind string, w *words) error {
	name, count, on, own := w.next(), 1, "", ""
	if kind == "pods" {
		count = w.int()
	}
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Labels: map[string]string{"app": name}}}
	p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{}}}}
	var volumes [][]Requirement
	node := &corev1.NodeAffinity{}
	var terms []corev1.NodeSelectorTerm
	expression := func() corev1.NodeSelectorRequirement {
		r := requirement(w)
		return corev1.NodeSelectorRequirement{Key: r.Key, Operator: r.Operator, Values: r.Values}
	}
	a := &corev1.Affinity{NodeAffinity: node, PodAffinity: &corev1.PodAffinity{}, PodAntiAffinity: &corev1.PodAntiAffinity{}}
	for word := w.next(); word != ""; word = w.next() {
		k, v, _ := strings.Cut(word, "=")
		switch k {
		case "on":
			on = v
		case "own":
			own = w.next()
		case "ns":
			p.Namespace = v
		case "label":
			k, v, _ := strings.Cut(w.next(), "=")
			p.Labels[k] = v
		case "select":
			k, v, _ := strings.Cut(w.next(), "=")
			if p.Spec.NodeSelector == nil {
				p.Spec.NodeSelector = map[string]string{}
			}
			p.Spec.NodeSelector[label(k)] = v
		case "or", "require":
			if k == "or" || len(terms) == 0 {
				terms = append(terms, corev1.NodeSelectorTerm{})
			}
			t := &terms[len(terms)-1]
			t.MatchExpressions = append(t.MatchExpressions, expression())
		case "prefer":
			weight := w.int()
			node.PreferredDuringSchedulingIgnoredDuringExecution = append(node.PreferredDuringSchedulingIgnoredDuringExecution,
				corev1.PreferredSchedulingTerm{Weight: int32(weight), Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{expression()}}})
		case "tolerate":
			t := taint(w.next())
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: t.Key, Value: t.Value, Effect: t.Effect})
		case "spread":
			c := corev1.TopologySpreadConstraint{TopologyKey: label(w.next()), MaxSkew: int32(w.int()), WhenUnsatisfiable: corev1.DoNotSchedule,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}}
			if _, ok := w.peek("soft"); ok {
				c.WhenUnsatisfiable = corev1.ScheduleAnyway
			}
			if n, ok := w.peek("min="); ok {
				min, _ := strconv.Atoi(n)
				c.MinDomains = &[]int32{int32(min)}[0]
			}
			if by, ok := w.peek("by="); ok {
				c.MatchLabelKeys = []string{by}
			}
			p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, c)
		case "near", "away":
			term := corev1.PodAffinityTerm{TopologyKey: label(w.next())}
			k, v, _ := strings.Cut(w.next(), "=")
			term.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{k: v}}
			if namespaces, ok := w.peek("in="); ok {
				k, v, _ := strings.Cut(namespaces, ":")
				term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{k: v}}
			}
			weight, soft := w.peek("soft=")
			n, _ := strconv.Atoi(weight)
			switch {
			case word == "near" && soft:
				a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution, corev1.WeightedPodAffinityTerm{Weight: int32(n), PodAffinityTerm: term})
			case word == "near":
				a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, term)
			case soft:
				a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, corev1.WeightedPodAffinityTerm{Weight: int32(n), PodAffinityTerm: term})
			default:
				a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, term)
			}
		case "port":
			p.Spec.Containers[0].Ports = append(p.Spec.Containers[0].Ports, corev1.ContainerPort{HostPort: int32(w.int())})
		case "volume":
			volumes = append(volumes, []Requirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{w.next()}}})
		case "priority":
			p.Spec.Priority = &[]int32{int32(w.int())}[0]
		default:
			p.Spec.Containers[0].Resources.Requests[corev1.ResourceName(k)] = resource.MustParse(v)
		}
	}
	if len(terms) > 0 {
		node.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: terms}
	}
	p.Spec.Affinity = a
	for i := range count {
		q := p.DeepCopy()
		q.Name = fmt.Sprintf("%s-%d", name, i)
		if own != "" {
			q.Labels[own] = q.Name
		}
		switch {
		case kind == "daemon":
			s.s.DaemonSets = append(s.s.DaemonSets, q)
		case on != "":
			at := slices.IndexFunc(s.s.Nodes, func(n Node) bool { return n.Name == on })
			if at < 0 {
				return fmt.Errorf("unknown node %q", on)
			}
			s.s.Nodes[at].Pods = append(s.s.Nodes[at].Pods, q)
		default:
			s.s.Pods = append(s.s.Pods, Pod{Pod: q, VolumeTopology: volumes})
		}
	}
	return nil
}

// render writes a plan; equal claims stand on one line.
func render(p Plan) string {
	var lines []string
	for _, pl := range p.Placements {
		lines = append(lines, fmt.Sprintf("node %s: %s", pl.Node, names(pl.Pods)))
	}
	claims := map[string]int{}
	for i := range p.Claims {
		c := &p.Claims[i]
		line := fmt.Sprintf("claim %s %s %s %s %.4g: %s", c.Pool, c.Cheapest.Type, c.Cheapest.Zone, c.Cheapest.CapacityType, c.Cheapest.Price, names(c.Pods))
		if c.Cheapest.Reservation != "" {
			line += " from " + c.Cheapest.Reservation
		}
		line += "; types " + strings.Join(c.Types, " ")
		for _, r := range c.Requirements {
			line += fmt.Sprintf("; %s %s %s", r.Key[strings.LastIndex(r.Key, "/")+1:], r.Operator, strings.Join(r.Values, ","))
		}
		if c.MinValuesRelaxed {
			line += "; minValues relaxed"
		}
		if claims[line] == 0 {
			lines = append(lines, line)
		}
		claims[line]++
	}
	for i, line := range lines {
		if n := claims[line]; n > 1 {
			lines[i] = fmt.Sprintf("%d x %s", n, line)
		}
	}
	out := map[string][]*corev1.Pod{}
	var order []string
	for _, u := range p.Unplaced {
		line := ""
		for _, r := range u.Reasons {
			line += fmt.Sprintf("\n    %s %s: %s", r.Pool, r.Kind, r.Message)
		}
		if out[line] == nil {
			order = append(order, line)
		}
		out[line] = append(out[line], u.Pod)
	}
	for _, line := range order {
		lines = append(lines, "left out: "+names(out[line])+line)
	}
	return strings.Join(append(lines, fmt.Sprintf("price %.4g", p.Price)), "\n")
}

// names counts pods by the name of their line.
func names(pods []*corev1.Pod) string {
	count := map[string]int{}
	for _, p := range pods {
		count[strings.TrimRight(strings.TrimRight(p.Name, "0123456789"), "-")]++
	}
	var out []string
	for _, name := range sortedKeys(count) {
		out = append(out, fmt.Sprintf("%s x%d", name, count[name]))
	}
	return strings.Join(out, ", ")
}
