// Package eks is the EKS service of the local cloud: it creates, updates and
// deletes clusters and answers the EKS API about them.
//
// Each cluster has a durable record and one loop that carries it from what it
// is to what the record says it shall be: network, control plane, first
// objects, controllers. Every step of the loop may be repeated at any time, so
// a process killed anywhere resumes by running the steps again.
//
// The package decides who may log in to a cluster (access entries, access
// policies, the token webhook) and realises access policies as RBAC objects.
//
// It never starts a process, never touches a network namespace and never talks
// to AWS: the control plane, the VPC, IAM and the cluster's controllers are
// behind the interfaces in ports.go, fulfilled by the wiring.
package eks
