// Package machine is what an instance of the local cloud is: a machine that boots, runs a node and goes away without a
// trace. A real machine ([Real], one supervising process each) is network, mount, UTS, IPC and cgroup isolation with a
// read-only root, its own /dev and a data volume; its init is `automode node`. A simulated one (package simulate) has no
// containers.
//
// The package never talks to Kubernetes and never decides what a machine should run: that is the node's own business,
// told by user data.
package machine
