// Package simulate plays the kubelets of all simulated machines of a local cloud in one process: it registers their nodes
// from their user data, renews their leases, gives their pods addresses from their prefixes, and moves them to Running,
// to their end, and out of the way.
//
// There are no containers: nothing can be executed, logged or reached. It never creates or schedules pods and never
// deletes a node, which is for controllers to do. One watch of pods and one of CNINodes per cluster serve all its nodes.
//
// Pods tell what their containers would do by annotations:
//
//	simulate.automode.dev/ready-after: 5s   time from start to Ready, default none
//	simulate.automode.dev/run-for: 30s      time from start to the end of all containers, default forever
//	simulate.automode.dev/exit-code: "1"    how they end, default 0
//	simulate.automode.dev/stop-after: 10s   time that stopping takes, at most the grace period, default none
package simulate
