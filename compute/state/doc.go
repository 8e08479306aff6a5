// Package state is the picture of a cluster that decisions are made on: pods, nodes, claims, pools, volumes and
// namespaces, kept up to date object by object, and turned into the solver's snapshots on demand.
//
// A Picture neither lists nor watches: whoever has objects hands them in (an informer with Feed, a file, a one-time
// list). It holds the objects it is given and never changes them. What is true only in a what-if goes on top of a copy
// (Clone), which shares the objects.
package state
