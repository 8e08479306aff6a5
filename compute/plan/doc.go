// Package plan answers "what if": it reads manifests, puts their pods into a picture of a cluster (empty, or taken from a
// live one), asks the solver, and reports nodes and prices. It also has the words in which plans are explained, the same
// in reports and events.
//
// It never changes a cluster and never asks a cloud; prices are those of the instance types it is given.
package plan
