// Package engine compares the project's solver with Karpenter's scheduler:
// Karpenter is the oracle for what is feasible, and the other side of the
// benchmarks. It is a module of its own, so that the product does not carry
// what only these tests need. Nothing of the product imports it.
package engine
