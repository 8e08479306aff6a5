package solver

import (
	"math"
	"slices"
	"sort"

	corev1 "k8s.io/api/core/v1"
)

// problem is a snapshot in the form that the search works on.
type problem struct {
	s       *Snapshot
	res     *resourceTable
	off     *offerings
	groups  *groupTable
	pools   []*pool // heaviest first, equal ones by name backwards
	nodes   []*nodeState
	census  *Census // of the pods on them
	classes []*class
	domains map[string]*domainTable
	rest    *residuals
	daemons []*daemon
	floor   vector // what every pod asks for at least
	// reservations hold how many instances of each are left.
	reservations []int
	wellKnown    func(string) bool

	labelSets map[string]int
	labelBits []bitset
	buf       []byte
	pinBuf    []byte
	pinIDs    map[string]int // choices of domains
	scratch   bitset
	freed     int // how often a node that exists got room back

	bound  float64
	whole  float64
	method map[string]string
	moved  bool // pods were evicted, which the bounds have counted where they were

	itemOfPod []*item  // of pods on new nodes
	round     int      // of placing and packing
	attempt   *attempt // set while pods are placed one by one
	fresh     []*newNode
	typeLists map[typesKey][]string
	items     []*item // what goes to new nodes, in the order it was decided
}

func compile(s *Snapshot) *problem {
	p := &problem{s: s, res: newResourceTable(), groups: newGroupTable(s), domains: map[string]*domainTable{}, labelSets: map[string]int{}, pinIDs: map[string]int{}, method: map[string]string{}}
	p.off = &offerings{market: s.Options.Cache.market(s.Pools), memo: map[string]bitset{}}
	p.wellKnown = func(key string) bool {
		if s.WellKnown != nil {
			return s.WellKnown[key]
		}
		_, known := p.off.keys[key]
		return known
	}
	owned := make([][]int, len(s.Pods))
	for i := range s.Pods {
		owned[i] = p.groups.of(s.Pods[i].Pod)
	}
	p.itemOfPod = make([]*item, len(s.Pods))
	p.reservations = slices.Clone(p.off.held)
	p.rest = newResiduals(p.off)
	p.scratch = newBitset(len(p.off.list))
	for i := range s.Pools {
		p.pools = append(p.pools, &pool{Pool: &s.Pools[i]})
	}
	sort.SliceStable(p.pools, func(i, j int) bool {
		a, b := p.pools[i], p.pools[j]
		if a.Weight != b.Weight {
			return a.Weight > b.Weight
		}
		return a.Name > b.Name // as Karpenter orders equal weights
	})
	p.compileNodes()
	p.classify(owned)
	p.res.frozen = true
	p.setFloor()
	p.compilePools()
	p.finishNodes()
	p.countGroups()
	for _, c := range p.classes {
		p.settleFilters(c)
	}
	return p
}

// setFloor finds what every pod asks for at least, so that full nodes are
// passed over at once.
func (p *problem) setFloor() {
	for i, c := range p.classes {
		if i == 0 {
			p.floor = slices.Clone(c.vec)
		}
		for d, n := range c.vec {
			p.floor[d] = min(p.floor[d], n)
		}
	}
}

// domainTable numbers the values of a topology key.
type domainTable struct {
	names []string
	index map[string]int
	unit  []float64    // least price per cpu of new nodes in the domain
	conds []conditions // that the key has the value, nil until asked
	key   string
	nodes []int  // the domain of each node that exists, or noDomain; nil until asked
	taken []bool // domains that have such nodes
}

// of tells the domain of each of the problem's nodes.
func (t *domainTable) of(nodes []*nodeState) []int {
	if t.nodes == nil {
		t.nodes, t.taken = make([]int, len(nodes)), make([]bool, len(t.names))
		for i, n := range nodes {
			t.nodes[i] = noDomain
			if v, ok := n.Labels[t.key]; ok {
				t.nodes[i] = t.index[v]
				t.taken[t.index[v]] = true
			}
		}
	}
	return t.nodes
}

// condition is that a node is in a domain. It is shared.
func (t *domainTable) condition(key string, d int) conditions {
	if t.conds == nil {
		t.conds = make([]conditions, len(t.names))
	}
	if t.conds[d] == nil {
		t.conds[d] = conditions{{key, oneValue(t.names[d])}}
	}
	return t.conds[d]
}

func (t *domainTable) add(name string) int {
	i, ok := t.index[name]
	if !ok {
		i = len(t.names)
		t.index[name] = i
		t.names = append(t.names, name)
	}
	return i
}

// countGroups gives every group its domains and counts the pods that run.
func (p *problem) countGroups() {
	for _, g := range p.groups.list {
		if !g.hostname && p.domains[g.key] == nil {
			p.domains[g.key] = p.domainsOf(g.key)
		}
	}
	for _, g := range p.groups.list {
		if g.hostname {
			continue
		}
		t := p.domains[g.key]
		g.selected, g.owners, g.known = make([]int, len(t.names)), make([]int, len(t.names)), make([]bool, len(t.names))
		p.knowDomains(g, t)
	}
	p.countKinds()
	for _, n := range p.nodes {
		for _, id := range n.owns {
			p.count(p.groups.list[id], n, 0, 1)
		}
	}
	for _, g := range p.groups.list {
		switch {
		case g.kind != affinity:
		case g.hostname:
			g.running = []int{g.total}
		default:
			g.running = slices.Clone(g.selected)
		}
	}
}

// maxSettled is the most domains of a key that pods choose among for the sake of others.
const maxSettled = 32

// settleFilters lets the pods of a class that spreads of others count choose their domain of each key by which those
// spreads tell the nodes that count: else nobody knew whether they count.
func (p *problem) settleFilters(c *class) {
	for _, g := range c.selected {
		if g.kind != spread || g.soft || g.hostname || g.filter == nil || slices.Contains(c.owns, g) {
			continue
		}
		for _, alternative := range g.filter.alternatives {
			for _, x := range alternative {
				if x.key == corev1.LabelHostname || slices.Contains(c.keys, x.key) {
					continue
				}
				if p.domains[x.key] == nil {
					p.domains[x.key] = p.domainsOf(x.key)
				}
				if len(p.domains[x.key].names) <= maxSettled {
					c.keys = append(c.keys, x.key)
				}
			}
		}
	}
	slices.Sort(c.keys)
}

// count adds pods on a node to a group.
func (p *problem) count(g *group, n *nodeState, selected, owners int) {
	if selected != 0 && !n.counts(g) {
		selected = 0
	}
	g.total += selected
	if g.hostname {
		if !g.soft {
			n.tally.add(g.id, selected, owners)
		}
		return
	}
	if d, ok := n.domain(p, g.key); ok {
		g.selected[d] += selected
		g.owners[d] += owners
	}
}

// domainsOf lists the values of a key, of new nodes and of those that exist.
func (p *problem) domainsOf(key string) *domainTable {
	t := &domainTable{index: map[string]int{}, key: key}
	var names []string
	for _, pl := range p.pools {
		names = append(names, p.poolDomains(pl, key)...)
	}
	for _, n := range p.nodes {
		if v, ok := n.Labels[key]; ok {
			names = append(names, v)
		}
	}
	for _, name := range sortedUnique(names) {
		t.add(name)
		t.unit = append(t.unit, p.domainPrice(key, name))
	}
	return t
}

// domainPrice is the least price per cpu of new nodes in a domain.
func (p *problem) domainPrice(key, name string) float64 {
	best := math.Inf(1)
	set := p.off.with(key, oneValue(name))
	for _, pl := range p.pools {
		pl.bits.each(func(i int) bool {
			o := &p.off.list[i]
			if room := pl.room[o.typ][dimCPU]; (set == nil || set.has(i)) && room > 0 {
				best = min(best, o.o.Price/float64(room))
			}
			return true
		})
	}
	return best
}

// poolDomains lists the values of a key that new nodes of a pool may have.
func (p *problem) poolDomains(pl *pool, key string) []string {
	var names []string
	if pl.Static {
		return nil
	}
	mine, defined := pl.conds.get(key)
	if k, ok := p.off.keys[key]; ok {
		for i, v := range k.values {
			if (!defined || mine.has(v)) && k.bits[i].intersects(pl.bits) {
				names = append(names, v)
			}
		}
		for _, o := range k.open {
			if !o.set.complement && o.bits.intersects(pl.bits) {
				for _, v := range o.set.values {
					if !defined || mine.has(v) {
						names = append(names, v)
					}
				}
			}
		}
	}
	if defined && !mine.complement {
		names = append(names, mine.values...)
	}
	return names
}

// knowDomains marks the domains that a spread takes its minimum over.
func (p *problem) knowDomains(g *group, t *domainTable) {
	for _, pl := range p.pools {
		if g.filter != nil && g.filter.taints {
			if _, ok := tolerates(g.filter.tolerations, pl.Taints, false); !ok {
				continue
			}
		}
		for _, name := range p.poolDomains(pl, g.key) {
			g.known[t.index[name]] = true
		}
	}
	domains := t.of(p.nodes)
	if g.filter == nil {
		for d, taken := range t.taken {
			g.known[d] = g.known[d] || taken
		}
		return
	}
	for i, n := range p.nodes {
		if d := domains[i]; d != noDomain && !g.known[d] && n.counts(g) {
			g.known[d] = true
		}
	}
}

// tally counts pods per group on one node; few groups have any.
type tally []tallyEntry

type tallyEntry struct{ group, selected, owners int }

func (t tally) get(group int) (selected, owners int) {
	for _, e := range t {
		if e.group == group {
			return e.selected, e.owners
		}
	}
	return 0, 0
}

func (t *tally) add(group, selected, owners int) {
	if selected == 0 && owners == 0 {
		return
	}
	for i := range *t {
		if (*t)[i].group == group {
			(*t)[i].selected += selected
			(*t)[i].owners += owners
			return
		}
	}
	*t = append(*t, tallyEntry{group, selected, owners})
}

// perNode tells how many more pods of a class rules by hostname and host ports
// allow on a node with such a tally; limit where they do not care.
func (c *class) perNodeRoom(t tally, ports []hostPort, limit int) int {
	if !c.perNode || limit == 0 {
		return limit
	}
	if len(c.ports) > 0 {
		if portsConflict(c.ports, ports) {
			return 0
		}
		limit = 1
	}
	for _, g := range c.owns {
		if !g.hostname || g.soft {
			continue
		}
		selected, _ := t.get(g.id)
		self := slices.Contains(c.selected, g)
		switch {
		case g.kind == spread && self:
			limit = min(limit, max(0, g.maxSkew-selected))
		case g.kind == spread && selected > g.maxSkew:
			return 0
		case g.kind == antiAffinity && selected > 0:
			return 0
		case g.kind == antiAffinity && self:
			limit = min(limit, 1)
		}
	}
	for _, g := range c.selected {
		if g.hostname && g.kind == antiAffinity && !g.soft {
			if _, owners := t.get(g.id); owners > 0 {
				return 0
			}
		}
	}
	return limit
}

// note records k pods of a class on a node's tally, for rules that are not soft.
func (c *class) note(t *tally, k int) {
	for _, g := range c.selected {
		if g.hostname && !g.soft {
			t.add(g.id, k, 0)
		}
	}
	for _, g := range c.owns {
		if g.hostname && c.ownerOf(g) {
			t.add(g.id, 0, k)
		}
	}
}
