// Package disruption decides which nodes to remove or replace: Disrupt takes a
// Snapshot of nodes, their pods, NodePools and disruption budgets, and returns a
// Plan of steps, each a set of nodes to remove with the NodeClaims to create
// first, what it saves, and for every node that stays the reason.
//
// Like the solver it is a pure function: no client, no clock, no goroutine, and
// it never changes what it is given. Where pods would go is asked of
// solver.Solve on an overlay of the snapshot (a what-if), never guessed.
//
// How it works, in the order of the files:
//
//   - pods, pdbs, budgets, prices: what the rules say about one pod, one pool,
//     one node.
//   - candidates: which nodes may go at all, and in which words the others stay.
//   - overlay: the cluster as it will be after the steps decided so far, and
//     what-ifs on it.
//   - replace: nodes that have to go (expired, drifted), in batches.
//   - screen, consolidate: nodes that are not worth their price, as one search
//     over sets of nodes to remove and nodes to add.
//   - spot, balanced, approve: whether a step may be taken.
//   - validate: which steps of a plan still hold some time later.
package disruption
