// Package labels knows the node labels of Auto Mode: their names, which of them NodePools and pods may use, and what
// is said about those they may not.
//
// It is constants and pure functions, except for Register, which tells Karpenter's scheduling code about them once.
package labels
