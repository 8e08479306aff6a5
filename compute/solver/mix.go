package solver

import "math"

// mix opens nodes of the kinds and in the numbers that the linear programme
// buys, rounded, and puts the pods on them. What has no room is packed by value.
func (k *packer) mix(name string, up float64, even bool) packing {
	var cands []int
	for _, m := range k.bought {
		for range int(math.Floor(m.count + up)) {
			cands = append(cands, m.cand)
		}
	}
	bins, left := k.into(cands, k.order(0), even, k.counts())
	out := k.newFiller().run(params{tries: 8}, left, k.order(0), k.pl.limits.clone(), append([]int(nil), k.p.reservations...))
	out.bins = append(out.bins, bins...)
	k.finish(&out)
	out.method = name
	return out
}

// into puts pod by pod, in the order of the items, on the node of a set that it
// leaves best filled, and returns the nodes with pods and what has no room. It uses up left.
func (k *packer) into(cands, order []int, even bool, left []int) ([]bin, []int) {
	nodes := make([]filling, len(cands))
	for b, c := range cands {
		nodes[b] = filling{bin: bin{cand: c, copies: 1, sum: make(vector, len(k.p.res.names))}, room: append(vector(nil), k.cands[c].room...), rest: k.pl.base}
	}
	for _, i := range order {
		it := &k.items[i]
		for ; left[i] > 0; left[i]-- {
			best, at := math.Inf(-1), -1
			for b := range nodes {
				n := &nodes[b]
				cand := &k.cands[n.cand]
				if !it.vec.fits(n.room) || !it.bits.has(cand.off) {
					continue
				}
				if score := fillScore(it.vec, n.room, cand.room, even); score > best && k.agrees(it, n.rest, cand) && it.class.perNodeRoom(n.tally, n.ports, 1) == 1 {
					best, at = score, b
				}
			}
			if at < 0 {
				break
			}
			k.putInto(&nodes[at], i)
		}
	}
	var bins []bin
	for b := range nodes {
		if len(nodes[b].load) > 0 {
			bins = append(bins, nodes[b].bin)
		}
	}
	return bins, left
}

// filling is a node of a set while pods are put on it.
type filling struct {
	bin
	room  vector
	rest  int
	tally tally
	ports []hostPort
}

// putInto puts a pod of an item on a node.
func (k *packer) putInto(n *filling, i int) {
	it := &k.items[i]
	n.room.sub(it.vec)
	n.sum.add(it.vec)
	n.rest = k.p.rest.merge(n.rest, it.rest)
	it.class.note(&n.tally, 1)
	n.ports = append(n.ports, it.class.ports...)
	if last := len(n.load) - 1; last >= 0 && n.load[last].item == i {
		n.load[last].n++
		return
	}
	n.load = append(n.load, load{i, 1})
}

// agrees tells whether the open labels of an item and of a node go together.
func (k *packer) agrees(it *packItem, rest int, cand *candidate) bool {
	if it.rest == 0 {
		return true
	}
	merged := k.p.rest.merge(rest, it.rest)
	return merged >= 0 && k.p.rest.bits(merged).has(cand.off)
}

// fillScore rates a node for a pod: the fuller it gets the better, or the more
// evenly its resources are used.
func fillScore(vec, room, size vector, even bool) float64 {
	least, most, sum := 1.0, 0.0, 0.0
	for d := range fixedDims {
		if size[d] <= 0 {
			continue
		}
		used := 1 - float64(room[d]-vec[d])/float64(size[d])
		sum += used
		if d != dimPods {
			least, most = min(least, used), max(most, used)
		}
	}
	if even {
		return least - most + 0.01*sum
	}
	return sum
}
