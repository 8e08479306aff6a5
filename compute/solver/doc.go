// Package solver decides which nodes a set of pods needs: Solve takes a Snapshot
// of pods, nodes, NodePools and instance types, and returns a Plan with the
// placements on nodes that exist, the NodeClaims to create with their prices,
// and for each pod left out the reasons.
//
// It is a pure function: no client, no clock, no goroutine that outlives the
// call, and the same snapshot gives the same plan whatever the machine. It never
// changes what it is given.
//
// How it works, in the order of the files:
//
//   - values, requirements, offerings: label requirements become sets of
//     offerings (type x zone x capacity type), one bit each.
//   - groups, classes: pods that no rule can tell apart form a class and are
//     handled as a count. Topology rules become groups shared by classes.
//   - existing: pods go to nodes that exist, first fit.
//   - domains, rules, feasible, preferences: what remains is split by topology
//     domain, so that each piece (an item) no longer depends on the others except
//     on its own node.
//   - pack, fill, grow, mix, improve, patterns, exchange: items become nodes at the
//     lowest price, by several methods of which the cheapest counts; divide packs
//     a large batch in parts.
//   - lp, tighten, worth, cover: what pods are worth, and the bounds that the price
//     is measured against.
//   - limits, repair, followers, rescue: what limits leave out, and what must be
//     near other pods, finds a place after all.
//   - claims, explain: the result in words that a controller can act on.
package solver
