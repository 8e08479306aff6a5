package disruption

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/automode-dev/automode/compute/solver"
)

// cluster reads a snapshot line by line. A line with {1..3} stands for three.
type cluster struct {
	Snapshot
	t     *testing.T
	types map[string]*solver.InstanceType
	order []*solver.InstanceType
	named map[string][]string // pool -> type names it is limited to
	pods  int
}

func parse(t *testing.T, text string) Snapshot {
	t.Helper()
	c := &cluster{t: t, types: map[string]*solver.InstanceType{}, named: map[string][]string{}}
	c.Now = noon
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		for _, l := range expand(line) {
			if f := strings.Fields(l); len(f) > 0 {
				c.read(f[0], f[1:])
			}
		}
	}
	for i := range c.Pools {
		p := &c.Pools[i]
		for _, typ := range c.order {
			if names := c.named[p.Name]; names == nil || contains(names, typ.Name) {
				p.Types = append(p.Types, typ)
			}
		}
	}
	return c.Snapshot
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

var braces = regexp.MustCompile(`\{(\d+)\.\.(\d+)\}`)

func expand(line string) []string {
	m := braces.FindStringSubmatch(line)
	if m == nil {
		return []string{line}
	}
	from, _ := strconv.Atoi(m[1])
	to, _ := strconv.Atoi(m[2])
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, strings.ReplaceAll(line, m[0], strconv.Itoa(i)))
	}
	return out
}

// words are the key=value words of a line; words without = have the value "".
type words struct {
	keys, values []string
}

func newWords(f []string) words {
	var w words
	for _, x := range f {
		k, v, _ := strings.Cut(x, "=")
		w.keys, w.values = append(w.keys, k), append(w.values, v)
	}
	return w
}

func (w words) has(key string) bool { return contains(w.keys, key) }

func (w words) get(key, otherwise string) string {
	for i, k := range w.keys {
		if k == key {
			return w.values[i]
		}
	}
	return otherwise
}

func (c *cluster) number(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		c.t.Fatalf("reading number %q: %v", text, err)
	}
	return v
}

func (c *cluster) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		c.t.Fatalf("reading duration %q: %v", text, err)
	}
	return d
}

func (c *cluster) read(what string, f []string) {
	switch what {
	case "now":
		now, err := time.Parse(time.RFC3339, f[0])
		if err != nil {
			c.t.Fatal(err)
		}
		c.Now = now
	case "option":
		c.readOption(newWords(f))
	case "type":
		c.readType(f[0], newWords(f[1:]))
	case "pool":
		c.readPool(f[0], newWords(f[1:]))
	case "node":
		c.readNode(f[0], newWords(f[1:]))
	case "pods":
		c.readPods(f[0], f[1], newWords(f[2:]))
	case "pdb":
		w := newWords(f[1:])
		c.PDBs = append(c.PDBs, PDB{Namespace: "default", Name: f[0], Selector: labels.SelectorFromSet(labels.Set{"app": w.get("app", "")}),
			Allowed: int(c.number(w.get("allowed", "0"))), FullyBlocking: w.has("blocking"), EvictUnhealthy: w.has("always")})
	case "set", "bring":
		c.change(f[0], newWords(f[1:]))
	case "gone":
		c.removePods(f[0])
	default:
		c.t.Fatalf("unknown line %q", what)
	}
}

func (c *cluster) readOption(w words) {
	o := &c.Options
	o.MinSaving = c.number(w.get("min-saving", "0"))
	o.MinSavingRatio = c.number(w.get("min-saving-ratio", "0"))
	o.UtilizationThreshold = c.number(w.get("threshold", "0"))
	o.ExpireAhead = c.duration(w.get("expire-ahead", "0s"))
	o.Spot = SpotRule(w.get("spot", ""))
	o.RestartCost = c.number(w.get("restart-cost", "0"))
	o.Interruptions = map[string]float64{}
	for i, k := range w.keys {
		if typ, ok := strings.CutPrefix(k, "interruptions."); ok {
			o.Interruptions[typ] = c.number(w.values[i])
		}
	}
	c.Solver.ComparePools = w.has("compare-pools")
}

func (c *cluster) readType(name string, w words) {
	memory := resource.MustParse(w.get("mem", "8Gi"))
	t := newType(name, int64(1000*c.number(w.get("cpu", "2"))), memory.Value()>>20, int64(c.number(w.get("pods", "50"))))
	for _, zone := range strings.Split(w.get("zones", "a,b,c"), ",") {
		if w.has("price") {
			t.Offerings = append(t.Offerings, offering(zone, onDemand, c.number(w.get("price", ""))))
		}
		if w.has("spot") {
			t.Offerings = append(t.Offerings, offering(zone, spot, c.number(w.get("spot", ""))))
		}
	}
	for i := range t.Offerings {
		t.Offerings[i].Available = !w.has("unavailable") && w.get("without", "") != t.Offerings[i].CapacityType()
	}
	if _, again := c.types[name]; again {
		*c.types[name] = *t
		return
	}
	c.types[name] = t
	c.order = append(c.order, t)
}

func (c *cluster) readPool(name string, w words) {
	after := time.Duration(0)
	p := Pool{Pool: solver.Pool{Name: name, Labels: map[string]string{nodePoolLabel: name}, Limits: corev1.ResourceList{}}, Policy: Policy(w.get("policy", "")), ConsolidateAfter: &after}
	for i, k := range w.keys {
		v := w.values[i]
		switch {
		case k == "after" && v == "Never":
			p.ConsolidateAfter = nil
		case k == "after":
			after = c.duration(v)
		case k == "weight":
			p.Weight = int32(c.number(v))
		case k == "static":
			p.Static, p.Replicas = true, int(c.number(v))
		case k == "types":
			c.named[name] = strings.Split(v, ",")
		case k == "budget":
			p.Budgets = append(p.Budgets, c.budget(v))
		case k == "label":
			key, value, _ := strings.Cut(v, ":")
			p.Labels[key] = value
		case k == "taint":
			p.Taints = append(p.Taints, corev1.Taint{Key: v, Effect: corev1.TaintEffectNoSchedule})
		case strings.HasPrefix(k, "limit."):
			p.Limits[corev1.ResourceName(k[6:])] = resource.MustParse(v)
		case strings.HasPrefix(k, "in."):
			p.Requirements = append(p.Requirements, inRequirement(longKey(k[3:]), strings.Split(v, ",")...))
		case strings.HasPrefix(k, "min."):
			p.Requirements = append(p.Requirements, solver.Requirement{Key: longKey(k[4:]), Operator: corev1.NodeSelectorOpExists, MinValues: int(c.number(v))})
		}
	}
	c.Pools = append(c.Pools, p)
}

// longKey spells out the short names of scenarios.
func longKey(k string) string {
	long := map[string]string{"type": corev1.LabelInstanceTypeStable, "zone": corev1.LabelTopologyZone, "host": corev1.LabelHostname, "capacity": capacityTypeLabel, "pool": nodePoolLabel}
	if l, ok := long[k]; ok {
		return l
	}
	return k
}

// budget reads "10%", "2/Empty,Drifted", "0@0_9_*_*_*+8h".
func (c *cluster) budget(text string) Budget {
	var b Budget
	text, when, scheduled := strings.Cut(text, "@")
	if scheduled {
		line, duration, _ := strings.Cut(when, "+")
		b.Schedule, b.Duration = strings.ReplaceAll(line, "_", " "), c.duration(duration)
	}
	text, reasons, some := strings.Cut(text, "/")
	if some {
		for _, r := range strings.Split(reasons, ",") {
			b.Reasons = append(b.Reasons, Reason(r))
		}
	}
	b.Nodes = text
	return b
}

func (c *cluster) readNode(name string, w words) {
	capacityType := onDemand
	if w.has("spot") {
		capacityType = spot
	}
	t := c.types[w.get("type", "")]
	if t == nil {
		t = newType(w.get("type", ""), 2000, 8192, 50)
	}
	n := newNode(name, w.get("pool", "default"), t, w.get("zone", "a"), capacityType)
	for _, p := range c.Pools {
		if p.Name == n.Pool {
			n.Taints = p.Taints
			for k, v := range p.Labels {
				n.Labels[k] = v
			}
		}
	}
	c.setNode(&n, w)
	c.Nodes = append(c.Nodes, n)
}

func (c *cluster) setNode(n *Node, w words) {
	for i, k := range w.keys {
		v := w.values[i]
		switch k {
		case "drifted":
			n.Drifted = c.Now.Add(-c.duration(v))
		case "undrifted":
			n.Drifted = time.Time{}
		case "expires":
			n.Expires = c.Now.Add(c.duration(v))
		case "grace":
			d := c.duration(v)
			n.TerminationGracePeriod = &d
		case "settled":
			n.Settled = c.Now.Add(-c.duration(v))
		case "deleting":
			n.Deleting = true
		case "terminating":
			n.Terminating, n.Deleting = true, true
		case "nominated":
			n.Nominated = true
		case "not-joined":
			n.Joined, n.Initialized, n.Ready = false, false, false
		case "not-initialized":
			n.Initialized = false
		case "not-ready":
			n.Ready = false
		case "not-consolidatable":
			n.Consolidatable = false
		case "do-not-disrupt":
			n.DoNotDisrupt = true
		case "buffered":
			n.Buffered = true
		case "foreign":
			n.Claim, n.Pool = "", ""
		case "without":
			delete(n.Labels, longKey(v))
		case "with":
			key, value, _ := strings.Cut(v, ":")
			n.Labels[longKey(key)] = value
		}
	}
}

// change alters a node that was named before.
func (c *cluster) change(name string, w words) {
	for i := range c.Nodes {
		if c.Nodes[i].Name == name {
			c.setNode(&c.Nodes[i], w)
			return
		}
	}
	c.t.Fatalf("no node %q to change", name)
}

func (c *cluster) removePods(node string) {
	for i := range c.Nodes {
		if c.Nodes[i].Name == node {
			c.Nodes[i].Pods = nil
		}
	}
}

func (c *cluster) readPods(where, count string, w words) {
	app := w.keys[0]
	for range int(c.number(count)) {
		c.pods++
		memory := resource.MustParse(w.get("mem", "128Mi"))
		p := newPod(fmt.Sprintf("%s-%d", app, c.pods), app, int64(1000*c.number(w.get("cpu", "0.1"))), memory.Value()>>20)
		c.decorate(p, w)
		if where == "pending" {
			c.Pending = append(c.Pending, solver.Pod{Pod: p})
			continue
		}
		found := false
		for i := range c.Nodes {
			if c.Nodes[i].Name == where {
				p.Spec.NodeName = where
				c.Nodes[i].Pods = append(c.Nodes[i].Pods, p)
				found = true
			}
		}
		if !found {
			c.t.Fatalf("no node %q for pods", where)
		}
	}
}

func (c *cluster) decorate(p *corev1.Pod, w words) {
	for i, k := range w.keys[1:] {
		v := w.values[i+1]
		switch k {
		case "bare":
			p.OwnerReferences = nil
		case "daemon":
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: p.Name}}
			p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		case "static":
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: p.Name}}
		case "stateful":
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: p.Name}}
		case "do-not-disrupt":
			if v == "" {
				v = "true"
			}
			p.Annotations = map[string]string{doNotDisrupt: v}
		case "started":
			start := metav1.NewTime(c.Now.Add(-c.duration(v)))
			p.Status.StartTime = &start
		case "done":
			p.Status.Phase = corev1.PodSucceeded
		case "terminating":
			at := metav1.NewTime(c.Now)
			p.DeletionTimestamp = &at
		case "unready":
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse})
		case "tolerate":
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: v, Operator: corev1.TolerationOpExists})
		case "priority":
			n := int32(c.number(v))
			p.Spec.Priority = &n
		case "deletion-cost":
			p.Annotations = map[string]string{corev1.PodDeletionCost: v}
		case "select":
			key, value, _ := strings.Cut(v, ":")
			p.Spec.NodeSelector = map[string]string{longKey(key): value}
		case "spread", "soft-spread":
			key, skew, _ := strings.Cut(v, ":")
			when := corev1.DoNotSchedule
			if k == "soft-spread" {
				when = corev1.ScheduleAnyway
			}
			spreadOver(p, longKey(key), when, int32(c.number(skew)))
		case "apart":
			p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
				TopologyKey: longKey(v), LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": p.Labels["app"]}}}}}}
		case "near":
			key, app, _ := strings.Cut(v, ":")
			p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
				TopologyKey: longKey(key), LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}}}}
		case "port":
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: int32(c.number(v)), ContainerPort: 80}}
		}
	}
}
