package engine

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Shrink leaves out of a case what it does not need to fail, so that a person
// can look at it.
func Shrink(c *Case, fails func(*Case) bool) *Case {
	for smaller := true; smaller; {
		smaller = false
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Pods) }, func(c *Case, i int) { c.Pods = without(c.Pods, i) }, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Bound) }, func(c *Case, i int) { c.Bound = without(c.Bound, i) }, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Claims) }, (*Case).removeClaim, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Pools) }, func(c *Case, i int) { c.Pools = without(c.Pools, i) }, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.DaemonSets) }, func(c *Case, i int) { c.DaemonSets = without(c.DaemonSets, i) }, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Types) }, func(c *Case, i int) { c.Types = without(c.Types, i) }, fails) || smaller
	}
	return c
}

// removeClaim takes a claim, its node and the pods on it out of a case.
func (c *Case) removeClaim(i int) {
	name := c.Claims[i].Status.NodeName
	c.Claims = without(c.Claims, i)
	c.Nodes = slices.DeleteFunc(slices.Clone(c.Nodes), func(n *corev1.Node) bool { return n.Name == name })
	c.Bound = slices.DeleteFunc(slices.Clone(c.Bound), func(p *corev1.Pod) bool { return p.Spec.NodeName == name })
}

func shrinkList(c **Case, size func(*Case) int, remove func(*Case, int), fails func(*Case) bool) bool {
	shrunk := false
	for i := size(*c) - 1; i >= 0; i-- {
		if i >= size(*c) {
			continue
		}
		try := **c
		remove(&try, i)
		if fails(&try) {
			*c = &try
			shrunk = true
		}
	}
	return shrunk
}

func without[T any](list []T, i int) []T {
	out := append([]T{}, list[:i]...)
	return append(out, list[i+1:]...)
}
