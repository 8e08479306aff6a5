// Package v1alpha1 holds the types of the API group eks.amazonaws.com/v1alpha1: CNINode.
//
// A CNINode tells a node which network interfaces and pod addresses it has. The network controller writes it, the
// node's address manager reads it. This package is data only and imports nothing else of the project.
//
// +kubebuilder:object:generate=true
// +groupName=eks.amazonaws.com
package v1alpha1
