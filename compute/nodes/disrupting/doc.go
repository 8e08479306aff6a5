// Package disrupting removes and replaces nodes as compute/disruption plans it.
//
// One loop looks at the cluster when it has come to rest, asks for a plan and
// takes its steps at the same time: each marks its nodes, creates the
// replacements, waits until they are ready for pods and deletes the old claims;
// draining and ending the instances is Karpenter's termination controller.
// Replacements are kept for the pods that they were made for until those come and
// are bound to them. A step that fails is taken back, and nothing of it is left.
//
// What is under way is written on the NodeClaims that go, so that it survives
// the end of the process at any point. The package decides nothing by itself
// and never evicts a pod.
package disrupting
