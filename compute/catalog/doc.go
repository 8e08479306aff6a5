// Package catalog holds what is known about EC2 instance types: their shape,
// where they are offered and what they cost. It is data with lookups and
// nothing else: it never calls AWS, starts nothing and never changes after it
// was read. The solver, the price reports and the local cloud all read the
// same Catalog, so that they cannot disagree about a type.
//
// The embedded data is a snapshot; data/README.md says where each fact comes
// from. Refresh writes a newer one from any Source.
package catalog
