// Package nodes is the cloud provider behind Karpenter's controllers: it launches the instance for a NodeClaim, finds
// and terminates instances, and tells which nodes have drifted.
//
// Choosing (which offerings, which template, which user data) is done by pure functions; Provider asks the cloud and
// walks their answers. It never decides which pods need a node: that is Karpenter's scheduler's part.
package nodes
