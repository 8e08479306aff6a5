package engine

// Shrink leaves out of a case what it does not need to fail, so that a person
// can look at it.
func Shrink(c *Case, fails func(*Case) bool) *Case {
	for smaller := true; smaller; {
		smaller = false
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Pods) }, func(c *Case, i int) { c.Pods = without(c.Pods, i) }, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Bound) }, func(c *Case, i int) { c.Bound = without(c.Bound, i) }, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Nodes) }, func(c *Case, i int) {
			name := c.Nodes[i].Name
			c.Nodes = without(c.Nodes, i)
			for j := len(c.Bound) - 1; j >= 0; j-- {
				if c.Bound[j].Spec.NodeName == name {
					c.Bound = without(c.Bound, j)
				}
			}
		}, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Pools) }, func(c *Case, i int) { c.Pools = without(c.Pools, i) }, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.DaemonSets) }, func(c *Case, i int) { c.DaemonSets = without(c.DaemonSets, i) }, fails) || smaller
		smaller = shrinkList(&c, func(c *Case) int { return len(c.Types) }, func(c *Case, i int) { c.Types = without(c.Types, i) }, fails) || smaller
	}
	return c
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
