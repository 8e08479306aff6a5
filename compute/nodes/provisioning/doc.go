// Package provisioning turns waiting pods into NodeClaims: it gathers them for a moment, asks the solver where they go,
// writes the claims, and tells pods, scheduler and metrics what was decided.
//
// It never talks to a cloud, and leaves binding to the scheduler but for crowds of pods, whose nodes are closed to all
// others then. What it has promised (which waiting pods a claim was made for) is in
// memory and on the pods as status.nominatedNodeName; losing the memory costs nothing but another look.
package provisioning
