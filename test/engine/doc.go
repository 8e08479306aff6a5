// Package engine compares the project's engine with Karpenter's: Karpenter is
// the oracle for what is feasible, and, with its provisioner and consolidation,
// the other side of the tables. It is a module of its own, so that the product
// does not carry what only these tests need. Nothing of the product imports it.
package engine
