package solver

import "math"

// mix opens nodes of the kinds and in the numbers that the linear programme
// buys, rounded, and puts pod by pod, most valuable first, on the node that it
// leaves best filled. What has no room is packed by value.
func (k *packer) mix(name string, up float64, even bool) packing {
	var bins []bin
	var rooms []vector
	for _, m := range k.bought {
		n := int(math.Floor(m.count + up))
		for range n {
			bins = append(bins, bin{cand: m.cand, copies: 1, sum: make(vector, len(k.p.res.names))})
			rooms = append(rooms, append(vector(nil), k.cands[m.cand].room...))
		}
	}
	tallies, ports := make([]tally, len(bins)), make([][]hostPort, len(bins))
	rests := make([]int, len(bins))
	for b := range rests {
		rests[b] = k.pl.base
	}
	left := k.counts()
	for _, i := range k.order(0) {
		it := &k.items[i]
		for left[i] > 0 {
			best, at := math.Inf(-1), -1
			for b := range bins {
				cand := &k.cands[bins[b].cand]
				if !it.vec.fits(rooms[b]) || !it.bits.has(cand.off) {
					continue
				}
				if score := fillScore(it.vec, rooms[b], cand.room, even); score > best && k.agrees(it, rests[b], cand) && it.class.perNodeRoom(tallies[b], ports[b], 1) == 1 {
					best, at = score, b
				}
			}
			if at < 0 {
				break
			}
			rooms[at].sub(it.vec)
			bins[at].sum.add(it.vec)
			rests[at] = k.p.rest.merge(rests[at], it.rest)
			it.class.note(&tallies[at], 1)
			ports[at] = append(ports[at], it.class.ports...)
			if last := len(bins[at].load) - 1; last >= 0 && bins[at].load[last].item == i {
				bins[at].load[last].n++
			} else {
				bins[at].load = append(bins[at].load, load{i, 1})
			}
			left[i]--
		}
	}
	out := k.newFiller().run(params{tries: 8}, left, k.order(0), k.pl.limits.clone(), append([]int(nil), k.p.reservations...))
	for _, b := range bins {
		if len(b.load) > 0 {
			out.bins = append(out.bins, b)
		}
	}
	k.finish(&out)
	out.method = name
	return out
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
