package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/plan"
)

// printPlan writes the report for people: the cluster's nodes, those to create, what does not fit, what goes, then the sum.
func (a *app) printPlan(r *plan.Report, wide, noFee bool) error {
	if len(r.ClusterNodes) > 0 {
		fmt.Fprintln(a.Out, "Nodes of the cluster:")
		if err := nodesNowTable(r, wide, noFee).write(a.Out, wide); err != nil {
			return err
		}
		fmt.Fprintln(a.Out)
	}
	if len(r.Nodes) > 0 {
		if r.Cluster != nil {
			fmt.Fprintln(a.Out, headingOfNew(r.Nodes))
		}
		if err := planTable(r, wide, noFee).write(a.Out, wide); err != nil {
			return err
		}
		fmt.Fprintln(a.Out)
	}
	printPlaces(a.Out, r)
	for _, removal := range together(r.Removals) {
		fmt.Fprintln(a.Out, removalText(removal))
	}
	if len(r.Removals) > 0 {
		fmt.Fprintln(a.Out)
	}
	fmt.Fprintln(a.Out, summary(r, noFee))
	for _, kind := range slices.Sorted(maps.Keys(r.Ignored)) {
		fmt.Fprintf(a.Err, "ignored: %s\n", count(r.Ignored[kind], "object")+" of kind "+kind)
	}
	return nil
}

func headingOfNew(nodes []plan.Node) string {
	if slices.ContainsFunc(nodes, func(n plan.Node) bool { return n.Static }) {
		return "Nodes to create for pods that wait and static NodePools:"
	}
	return "Nodes to create for pods that wait:"
}

// printPlaces tells of pods that get no new node: those that fit on nodes that are there, and those left out.
func printPlaces(out io.Writer, r *plan.Report) {
	for _, e := range r.Existing {
		verb := "fit"
		if len(e.Pods) == 1 {
			verb = "fits"
		}
		fmt.Fprintf(out, "%s %s on node %s: %s\n", count(len(e.Pods), "pod"), verb, e.Node, few(e.Pods, 5))
	}
	for _, u := range r.Unplaced {
		if u.Kind == "Pod" {
			fmt.Fprintf(out, "%s cannot be placed:\n", u.Workload)
		} else {
			fmt.Fprintf(out, "%s of %s cannot be placed:\n", count(len(u.Pods), "pod"), u.Workload)
		}
		for _, reason := range u.Reasons {
			fmt.Fprintf(out, "  %s\n", reason)
		}
		if u.Fix != "" {
			fmt.Fprintf(out, "  nearest fix: %s\n", u.Fix)
		}
	}
	if len(r.Existing)+len(r.Unplaced) > 0 {
		fmt.Fprintln(out)
	}
}

// nodesNowTable groups nodes that are alike and share a fate; wide lists them one by one with the reason.
func nodesNowTable(r *plan.Report, wide, noFee bool) table {
	t := table{columns: []column{
		{name: "NODES"}, {name: "TYPE"}, {name: "ZONE"}, {name: "CAPACITY"}, {name: "NODEPOOL"}, {name: "PODS"}, {name: "CPU"}, {name: "MEMORY"}, {name: "$/H"},
	}}
	if !noFee {
		t.columns = append(t.columns, column{name: "FEE $/H"})
	}
	t.columns = append(t.columns, column{name: "$/MONTH"}, column{name: "THEN"}, column{name: "NODE", wide: true}, column{name: "WHY", wide: true})
	for _, group := range clusterGroups(r.ClusterNodes, wide) {
		n, k := group[0], float64(len(group))
		pods := 0
		var load []plan.Node
		for _, m := range group {
			pods += len(m.Pods)
			load = append(load, plan.Node{Requests: m.Requests, Allocatable: m.Allocatable})
		}
		row := []string{
			strconv.Itoa(len(group)), orDash(n.InstanceType), orDash(n.Zone), orDash(n.CapacityType), n.NodePool, strconv.Itoa(pods),
			used(load, corev1.ResourceCPU), used(load, corev1.ResourceMemory), dollars(n.Price * k),
		}
		if !noFee {
			row = append(row, dollars(n.Fee*k))
		}
		t.rows = append(t.rows, append(row, fmt.Sprintf("%.2f", (n.Price+n.Fee)*k*plan.HoursPerMonth), fateText(n), n.Name, orDash(n.Message)))
	}
	return t
}

func clusterGroups(nodes []plan.ClusterNode, each bool) [][]plan.ClusterNode {
	var list [][]plan.ClusterNode
	for i, n := range nodes {
		if i > 0 && !each {
			last := &list[len(list)-1]
			if p := (*last)[0]; p.NodePool == n.NodePool && p.InstanceType == n.InstanceType && p.CapacityType == n.CapacityType && p.Zone == n.Zone &&
				p.Price == n.Price && fateText(p) == fateText(n) {
				*last = append(*last, n)
				continue
			}
		}
		list = append(list, []plan.ClusterNode{n})
	}
	return list
}

// fateText is what becomes of a node, with the reason where it goes or where only a budget keeps it.
func fateText(n plan.ClusterNode) string {
	switch {
	case n.Then == plan.Removed || n.Then == plan.Replaced:
		return fmt.Sprintf("%s: %s", strings.ToLower(string(n.Then)), n.Reason)
	case n.Reason == "Budget":
		return "stays for a budget"
	}
	return strings.ToLower(string(n.Then))
}

// together makes one of removals that follow each other and need nothing else to happen.
func together(removals []plan.Removal) []plan.Removal {
	plain := func(r plan.Removal) bool { return r.StaticPool == "" && len(r.Replacements)+len(r.Moves) == 0 }
	var list []plan.Removal
	for _, r := range removals {
		if len(list) > 0 {
			if last := &list[len(list)-1]; plain(r) && plain(*last) && r.Reason == last.Reason && r.After == last.After {
				last.Nodes = slices.Concat(last.Nodes, r.Nodes)
				last.PerMonthDelta += r.PerMonthDelta
				continue
			}
		}
		list = append(list, r)
	}
	return list
}

// removalText is a step of disruption in a sentence.
func removalText(r plan.Removal) string {
	var b strings.Builder
	if len(r.Nodes) == 1 {
		fmt.Fprintf(&b, "Node %s", r.Nodes[0])
	} else {
		fmt.Fprintf(&b, "Nodes %s", few(r.Nodes, 5))
	}
	switch {
	case r.StaticPool != "":
		fmt.Fprintf(&b, " replaced by as many plain nodes of NodePool %s", r.StaticPool)
	case len(r.Replacements) > 0:
		fmt.Fprintf(&b, " replaced by %s", replacementsText(r.Replacements))
	default:
		b.WriteString(" removed")
	}
	fmt.Fprintf(&b, " (%s", r.Reason)
	if r.After != "" {
		fmt.Fprintf(&b, ", after %s without pods coming or going", r.After)
	}
	fmt.Fprintf(&b, "): %+.2f $/month", r.PerMonthDelta)
	for i, move := range r.Moves {
		if i == 3 {
			fmt.Fprintf(&b, ", and to %s", count(len(r.Moves)-i, "more node"))
			break
		}
		fmt.Fprintf(&b, ", %s to %s", count(len(move.Pods), "pod"), move.Node)
	}
	return b.String()
}

func replacementsText(nodes []plan.Node) string {
	var parts []string
	for _, group := range groups(nodes, false) {
		n := group[0]
		parts = append(parts, fmt.Sprintf("%d new %s %s in NodePool %s", len(group), n.CapacityType, n.InstanceType, n.NodePool))
	}
	return strings.Join(parts, ", ")
}

// summary is the sum in one or two sentences.
func summary(r *plan.Report, noFee bool) string {
	var b strings.Builder
	if len(r.Nodes) == 0 {
		fmt.Fprintf(&b, "No new nodes in %s.", r.Region)
	} else {
		fmt.Fprintf(&b, "%s in %s: $%s/h", count(len(r.Nodes), "new node"), r.Region, dollars(r.Price))
		if !noFee {
			fmt.Fprintf(&b, " + $%s/h Auto Mode fee", dollars(r.Fee))
		}
		fmt.Fprintf(&b, " = $%.2f/month.", r.PricePerMonth)
	}
	if r.Bound > 0 && r.Bound <= r.Price {
		fmt.Fprintf(&b, " The lower bound for new nodes is $%s/h, %.1f%% less.", dollars(r.Bound), (1-r.Bound/r.Price)*100)
	}
	if c := r.Cluster; c != nil {
		fmt.Fprintf(&b, "\nThe cluster goes from %s at $%s/h to %d at $%s/h: %+.2f $/month.",
			count(c.NodesBefore, "node"), dollars(c.PriceBefore), c.NodesAfter, dollars(c.PriceAfter), c.PerMonthDelta)
	}
	return b.String()
}
