// Package v1 holds the types of the API group eks.amazonaws.com/v1 that compute uses: NodeClass.
//
// It is data and validation rules only. It never talks to a cluster or a cloud, and it imports nothing else of the
// project. `make generate` derives the deep-copy functions and the custom resource definitions from it.
//
// +kubebuilder:object:generate=true
// +groupName=eks.amazonaws.com
package v1
