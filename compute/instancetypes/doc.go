// Package instancetypes turns what the cloud says about instance types into what scheduling needs: which types Auto
// Mode uses, their labels, what a node of that type can hold, and where and at which price it is offered.
//
// Everything but Provider is a pure function. Provider keeps the last answers of the cloud and never launches anything.
package instancetypes
