// Package controller gives nodes the addresses their pods need: it assigns /28 prefixes (or single addresses, where a subnet
// has no whole prefix left) to the nodes' network interfaces as pods are scheduled, takes unused ones back, and
// writes what each node has into its CNINode. What to do next is decided by a pure function (see plan); the node itself
// never calls EC2, and the controller never connects a pod.
package controller
