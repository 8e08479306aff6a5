package solver

import (
	corev1 "k8s.io/api/core/v1"
)

// limits is what a pool may still add.
type limits struct {
	names []corev1.ResourceName
	left  []int64
	// perType is the capacity of each type in the limited resources; a node counts 1.
	perType [][]int64
}

func (p *problem) newLimits(pl *pool) limits {
	var l limits
	for _, name := range sortedKeys(resourceStrings(pl.Limits)) {
		r := corev1.ResourceName(name)
		left := amount(r, pl.Limits[r])
		for _, n := range p.nodes {
			switch {
			case n.Pool != pl.Name:
			case r == limitNodes:
				left--
			default:
				left -= amount(r, n.Capacity[r])
			}
		}
		l.names = append(l.names, r)
		l.left = append(l.left, left)
	}
	if len(l.names) == 0 {
		return l
	}
	l.perType = make([][]int64, len(p.off.types))
	for _, typ := range pl.Types {
		row := make([]int64, len(l.names))
		for i, r := range l.names {
			row[i] = 1
			if r != limitNodes {
				row[i] = amount(r, typ.Capacity[r])
			}
		}
		l.perType[p.off.typ[typ]] = row
	}
	return l
}

func resourceStrings(l corev1.ResourceList) map[string]bool {
	out := map[string]bool{}
	for name := range l {
		out[string(name)] = true
	}
	return out
}

// allows tells whether one more node of a type stays within the limits.
func (l *limits) allows(t int) bool { return l.times(t, 1) == 1 }

// times is how many nodes of a type may be added, at most n.
func (l *limits) times(t, n int) int {
	if len(l.names) == 0 {
		return n
	}
	for i, c := range l.perType[t] {
		if c > 0 {
			n = int(min(int64(n), max(0, l.left[i]/c)))
		}
	}
	return n
}

// share is the largest part of what is left of a limit that a node of a type takes.
func (l *limits) share(t int) float64 {
	share := 0.0
	for i := range l.names {
		share = max(share, float64(l.perType[t][i])/max(1, float64(l.left[i])))
	}
	return share
}

// take notes n nodes of a type.
func (l *limits) take(t, n int) {
	if len(l.names) == 0 {
		return
	}
	for i, c := range l.perType[t] {
		l.left[i] -= c * int64(n)
	}
}

// within tells whether type t takes no more of any limited resource than type of.
func (l *limits) within(t, of int) bool {
	if len(l.names) == 0 {
		return true
	}
	for i, c := range l.perType[t] {
		if c > l.perType[of][i] {
			return false
		}
	}
	return true
}

func (l *limits) clone() limits {
	c := *l
	c.left = append([]int64(nil), l.left...)
	return c
}
