// Package v1alpha1 holds the node configuration node.eks.aws/v1alpha1 that an instance gets as user data.
//
// It is the format that the EKS images on Amazon Linux 2023 read, so the same user data boots either. It is not a
// resource of the API server. This package is data, parsing and printing; it imports nothing else of the project.
//
// +kubebuilder:object:generate=true
package v1alpha1
