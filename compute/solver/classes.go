package solver

import (
	"slices"
	"sort"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// class is a set of pods that no rule can tell apart.
type class struct {
	id       int
	pods     []int // into the snapshot, in its order
	next     int   // how many of them have found a place
	stuck    int   // in how many rounds limits left some of them without a node
	stuckIn  int   // the last such round
	rep      *Pod
	vec      vector
	priority int32
	where    *placeRule
	ports    []hostPort
	owns     []*group // in the order of the pod's spec
	selected []*group // by id, those that may select the class
	volumes  bool     // pods have volumes of their own

	// What the groups mean for placing.
	keys     []string    // domain keys other than the hostname that need a choice
	perNode  bool        // rules or ports that depend on what else is on the node
	follower bool        // hard affinity to other pods by hostname
	domains  []inDomains // that were asked about, by number
}

func (c *class) left() int { return len(c.pods) - c.next }

// placeRule is what pods ask of a node's labels and taints. Classes share it.
type placeRule struct {
	id           int
	alternatives []conditions
	preferences  []preference // heaviest first
	tolerations  []corev1.Toleration
	nodes        *roomIndex        // existing nodes that satisfy it, nil until asked
	domains      map[string][]bool // that the rule allows, by key
	pools        []*poolRule       // per pool, nil until asked
}

type preference struct {
	weight int32
	conds  conditions
}

type hostPort struct {
	ip       string
	port     int32
	protocol corev1.Protocol
}

func (h hostPort) conflicts(o hostPort) bool {
	return h.port == o.port && h.protocol == o.protocol && (h.ip == o.ip || h.ip == "" || o.ip == "")
}

func portsConflict(a, b []hostPort) bool {
	for _, x := range a {
		for _, y := range b {
			if x.conflicts(y) {
				return true
			}
		}
	}
	return false
}

func hostPorts(pod *corev1.Pod) []hostPort {
	var out []hostPort
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			for _, p := range containers[i].Ports {
				if p.HostPort == 0 {
					continue
				}
				h := hostPort{p.HostIP, p.HostPort, p.Protocol}
				if h.ip == "0.0.0.0" || h.ip == "::" {
					h.ip = ""
				}
				if h.protocol == "" {
					h.protocol = corev1.ProtocolTCP
				}
				out = append(out, h)
			}
		}
	}
	return out
}

// classifier sorts pods into classes.
type classifier struct {
	p      *problem
	byKey  map[string]*class
	rules  map[string]*placeRule
	chosen map[string][]int // namespace and relevant labels -> selecting groups
	buf    []byte
	vec    vector
}

// classify makes the classes of all pods. The groups must be complete.
func (p *problem) classify(owned [][]int) {
	k := &classifier{p: p, byKey: map[string]*class{}, rules: map[string]*placeRule{}, chosen: map[string][]int{}}
	for i := range p.s.Pods {
		k.add(i, owned[i])
	}
	for _, c := range p.classes {
		c.vec = p.res.fit(c.vec)
		p.derive(c)
	}
	sort.SliceStable(p.classes, func(i, j int) bool {
		a, b := p.classes[i], p.classes[j]
		switch {
		case a.priority != b.priority:
			return a.priority > b.priority
		case a.vec[dimCPU] != b.vec[dimCPU]:
			return a.vec[dimCPU] > b.vec[dimCPU]
		}
		return a.vec[dimMemory] > b.vec[dimMemory]
	})
	for i, c := range p.classes {
		c.id = i
	}
}

func (k *classifier) add(i int, owned []int) {
	pod := &k.p.s.Pods[i]
	k.vec = k.p.res.requests(pod.Pod, k.vec)
	for _, driver := range sortedKeys(pod.Volumes) {
		d := k.p.res.dim(volumeResource(driver))
		for len(k.vec) <= d {
			k.vec = append(k.vec, 0)
		}
		k.vec[d] += int64(len(pod.Volumes[driver]))
	}
	selected := k.selecting(pod.Pod)
	rule := k.rule(pod)
	b := strconv.AppendInt(k.buf[:0], int64(rule.id), 36)
	for d, n := range k.vec {
		if n != 0 {
			b = strconv.AppendInt(strconv.AppendInt(append(b, ' '), int64(d), 36), n, 36)
		}
	}
	for _, g := range owned {
		b = strconv.AppendInt(append(b, 'o'), int64(g), 36)
	}
	for _, g := range selected {
		b = strconv.AppendInt(append(b, 's'), int64(g), 36)
	}
	if pod.Spec.Priority != nil {
		b = strconv.AppendInt(append(b, 'p'), int64(*pod.Spec.Priority), 36)
	}
	ports := hostPorts(pod.Pod)
	for _, h := range ports {
		b = append(strconv.AppendInt(append(append(b, 'h'), h.ip...), int64(h.port), 10), h.protocol...)
	}
	if len(pod.Volumes) > 0 {
		b = strconv.AppendInt(append(b, 'v'), int64(i), 10) // a class of its own: volumes have names
	}
	k.buf = b
	c, ok := k.byKey[string(b)]
	if !ok {
		c = &class{rep: pod, vec: slices.Clone(k.vec), where: rule, ports: ports, volumes: len(pod.Volumes) > 0}
		if pod.Spec.Priority != nil {
			c.priority = *pod.Spec.Priority
		}
		for _, g := range owned {
			c.owns = append(c.owns, k.p.groups.list[g])
		}
		for _, g := range selected {
			c.selected = append(c.selected, k.p.groups.list[g])
		}
		k.byKey[string(b)] = c
		k.p.classes = append(k.p.classes, c)
	}
	c.pods = append(c.pods, i)
}

// selecting finds the groups that select a pod, remembered by the labels that matter.
func (k *classifier) selecting(pod *corev1.Pod) []int {
	if len(k.p.groups.list) == 0 {
		return nil
	}
	b := appendPodLabels(k.buf[:0], pod, k.p.groups.relevant)
	k.buf = b
	if out, ok := k.chosen[string(b)]; ok {
		return out
	}
	out := k.p.groups.selecting(pod.Namespace, pod.Labels)
	k.chosen[string(b)] = out
	return out
}

// rule finds or makes the place rule of a pod.
func (k *classifier) rule(pod *Pod) *placeRule {
	b := appendLabels(k.buf[:0], pod.Spec.NodeSelector)
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		b = append(b, '&')
		if r := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution; r != nil {
			for i := range r.NodeSelectorTerms {
				b = appendTerm(append(b, '|'), &r.NodeSelectorTerms[i])
			}
		}
		if !k.p.s.Options.IgnorePreferences {
			for i := range a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
				t := &a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution[i]
				b = appendTerm(strconv.AppendInt(append(b, '~'), int64(t.Weight), 10), &t.Preference)
			}
		}
	}
	for i := range pod.Spec.Tolerations {
		b = appendToleration(append(b, '!'), &pod.Spec.Tolerations[i])
	}
	for _, alternative := range pod.VolumeTopology {
		b = append(b, 'v')
		for _, r := range alternative {
			b = appendRequirement(b, r.Key, r.Operator, r.Values)
		}
	}
	k.buf = b
	if r, ok := k.rules[string(b)]; ok {
		return r
	}
	r := k.newRule(pod)
	k.rules[string(b)] = r
	return r
}

func (k *classifier) newRule(pod *Pod) *placeRule {
	r := &placeRule{id: len(k.rules), tolerations: pod.Spec.Tolerations, alternatives: podAlternatives(pod.Pod), pools: make([]*poolRule, len(k.p.pools))}
	if len(pod.VolumeTopology) > 0 {
		var both []conditions
		for _, a := range r.alternatives {
			for _, v := range pod.VolumeTopology {
				both = append(both, a.with(conditionsOf(v, nil)))
			}
		}
		r.alternatives = both
	}
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && !k.p.s.Options.IgnorePreferences {
		for _, t := range a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			r.preferences = append(r.preferences, preference{t.Weight, termConditions(t.Preference)})
		}
		slices.SortStableFunc(r.preferences, func(a, b preference) int { return int(b.weight) - int(a.weight) })
	}
	return r
}

// derive works out what the groups of a class mean for placing it.
func (p *problem) derive(c *class) {
	need := func(key string) {
		if !slices.Contains(c.keys, key) {
			c.keys = append(c.keys, key)
		}
	}
	for _, g := range c.owns {
		switch {
		case !g.hostname:
			need(g.key)
		case g.soft:
		case g.kind == affinity:
			c.follower, c.perNode = true, true
		default:
			c.perNode = true
		}
	}
	for _, g := range c.selected {
		switch {
		case g.soft:
		case g.hostname:
			c.perNode = c.perNode || g.kind == antiAffinity
		default:
			need(g.key) // others count it, keep away from it or want to be near
		}
	}
	c.perNode = c.perNode || len(c.ports) > 0
	slices.Sort(c.keys)
}

func appendLabels(b []byte, m map[string]string) []byte {
	if len(m) == 0 {
		return b
	}
	for _, k := range sortedKeys(m) {
		b = strconv.AppendQuote(append(append(b, k...), '='), m[k])
	}
	return b
}

func appendTerm(b []byte, t *corev1.NodeSelectorTerm) []byte {
	for _, e := range t.MatchExpressions {
		b = appendRequirement(b, e.Key, e.Operator, e.Values)
	}
	return b
}

func appendRequirement(b []byte, key string, op corev1.NodeSelectorOperator, values []string) []byte {
	b = append(append(append(append(b, ','), key...), ' '), op...)
	for _, v := range values {
		b = strconv.AppendQuote(b, v)
	}
	return b
}
