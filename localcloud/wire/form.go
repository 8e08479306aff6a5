package wire

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// node is the tree behind the flat names of a query request: Filter.1.Value.2=x.
type node struct {
	value    string
	present  bool
	children map[string]*node
}

// parseForm builds the tree. A name given twice keeps its first value, as AWS does.
func parseForm(form url.Values) *node {
	root := &node{}
	for name, values := range form {
		n := root
		for part := range strings.SplitSeq(name, ".") {
			n = n.child(part)
		}
		if len(values) > 0 {
			n.value, n.present = values[0], true
		}
	}
	return root
}

func (n *node) child(name string) *node {
	c := n.children[name]
	if c == nil {
		c = &node{}
		if n.children == nil {
			n.children = map[string]*node{}
		}
		n.children[name] = c
	}
	return c
}

// items returns the numbered children in the order of their numbers.
func (n *node) items() []*node {
	type item struct {
		n    int
		node *node
	}
	var list []item
	for name, c := range n.children {
		if i, err := strconv.Atoi(name); err == nil {
			list = append(list, item{i, c})
		}
	}
	slices.SortFunc(list, func(a, b item) int { return a.n - b.n })
	nodes := make([]*node, len(list))
	for i := range list {
		nodes[i] = list[i].node
	}
	return nodes
}
