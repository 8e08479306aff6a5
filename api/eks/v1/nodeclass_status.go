package v1

import (
	"github.com/awslabs/operatorpkg/status"
)

// Conditions of a NodeClass. The reason of a condition equals its type while it is True.
const (
	// ConditionSubnetsReady says whether the subnet terms found subnets.
	ConditionSubnetsReady = "SubnetsReady"
	// ConditionSecurityGroupsReady says whether the security group terms found groups.
	ConditionSecurityGroupsReady = "SecurityGroupsReady"
	// ConditionInstanceProfileReady says whether the instance profile exists and holds the role.
	ConditionInstanceProfileReady = "InstanceProfileReady"
	// ConditionPodNetworkReady says whether the pod subnet and pod security group terms found something. Present only when they are set.
	ConditionPodNetworkReady = "PodNetworkReady"
	// ConditionValidationSucceeded says whether dry runs of the launch calls were allowed. It does not count for Ready.
	ConditionValidationSucceeded = "ValidationSucceeded"
)

// Keys on NodeClasses and on what is made from them.
const (
	// AnnotationHash is the hash of the fields whose change makes nodes drift.
	AnnotationHash = Group + "/nodeclass-hash"
	// AnnotationHashVersion names the algorithm of the hash.
	AnnotationHashVersion = Group + "/nodeclass-hash-version"
	// Finalizer holds a NodeClass until no NodeClaim uses it.
	Finalizer = Group + "/termination"
	// LabelNodeClass is the name of the NodeClass on nodes and NodeClaims.
	LabelNodeClass = Group + "/nodeclass"
)

// NodeClassStatus is what was found for a NodeClass.
type NodeClassStatus struct {
	// Subnets that the terms chose.
	//
	// +optional
	Subnets []Subnet `json:"subnets,omitempty"`

	// SecurityGroups that the terms chose.
	//
	// +optional
	SecurityGroups []SecurityGroup `json:"securityGroups,omitempty"`

	// PodSubnets that the pod subnet terms chose.
	//
	// +optional
	PodSubnets []Subnet `json:"podSubnets,omitempty"`

	// PodSecurityGroups that the pod security group terms chose.
	//
	// +optional
	PodSecurityGroups []SecurityGroup `json:"podSecurityGroups,omitempty"`

	// InstanceProfile that instances are launched with.
	//
	// +optional
	InstanceProfile string `json:"instanceProfile,omitempty"`

	// Conditions tell health and readiness.
	//
	// +optional
	Conditions []status.Condition `json:"conditions,omitempty"`
}

// Subnet is a subnet that a term chose.
type Subnet struct {
	// ID of the subnet.
	ID string `json:"id"`
	// Zone is the availability zone.
	Zone string `json:"zone"`
	// ZoneID is the id of the zone, the same in all accounts.
	//
	// +optional
	ZoneID string `json:"zoneID,omitempty"`
}

// SecurityGroup is a security group that a term chose.
type SecurityGroup struct {
	// ID of the group.
	ID string `json:"id"`
	// Name of the group.
	//
	// +optional
	Name string `json:"name,omitempty"`
}

// StatusConditions gives the condition set of a NodeClass; Ready follows from the others.
func (in *NodeClass) StatusConditions(opts ...status.ForOption) status.ConditionSet {
	dependents := []string{ConditionSubnetsReady, ConditionSecurityGroupsReady, ConditionInstanceProfileReady}
	if len(in.Spec.PodSubnetSelectorTerms) > 0 {
		dependents = append(dependents, ConditionPodNetworkReady)
	}
	return status.NewReadyConditions(dependents...).For(in, opts...)
}

// GetConditions returns the conditions as they are.
func (in *NodeClass) GetConditions() []status.Condition { return in.Status.Conditions }

// SetConditions replaces the conditions.
func (in *NodeClass) SetConditions(conditions []status.Condition) { in.Status.Conditions = conditions }
