// Package node is the node agent: the first process of a machine. It reads what the machine is (instance metadata) and
// what it should become (the NodeConfig in its user data), writes the configuration of containerd, kubelet and kube-proxy,
// keeps those running, and does the node's own services (pod addresses) in its own process. It never calls EC2 and
// decides nothing about the cluster.
package node
