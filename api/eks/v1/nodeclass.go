package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NodeClass says how the nodes of the NodePools that refer to it are set up: network, storage, role and tags.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=nodeclasses,scope=Cluster,categories=karpenter
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.spec.role`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NodeClass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   NodeClassSpec   `json:"spec,omitempty"`
	Status NodeClassStatus `json:"status,omitempty"`
}

// NodeClassList is a list of NodeClasses.
//
// +kubebuilder:object:root=true
type NodeClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodeClass `json:"items"`
}

// NodeClassSpec is what the owner of a NodeClass decides.
//
// +kubebuilder:validation:XValidation:message="must specify exactly one of ['role', 'instanceProfile']",rule="has(self.role) != has(self.instanceProfile)"
// +kubebuilder:validation:XValidation:message="podSubnetSelectorTerms and podSecurityGroupSelectorTerms must be specified together",rule="has(self.podSubnetSelectorTerms) == has(self.podSecurityGroupSelectorTerms)"
// +kubebuilder:validation:XValidation:message="'associatePublicIPAddress' cannot be combined with more than one network interface",rule="!has(self.advancedNetworking) || !has(self.advancedNetworking.associatePublicIPAddress) || !has(self.advancedNetworking.networkInterfaces) || self.advancedNetworking.networkInterfaces.size() <= 1"
// +kubebuilder:validation:XValidation:message="hugepages cannot be combined with an 'efa-only' network interface",rule="!has(self.advancedCompute) || !has(self.advancedCompute.hugepages) || !has(self.advancedNetworking) || !has(self.advancedNetworking.networkInterfaces) || self.advancedNetworking.networkInterfaces.all(x, x.interfaceType != 'efa-only')"
type NodeClassSpec struct {
	// Role is the name of the IAM role of the nodes. An instance profile is made for it.
	//
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:message="role cannot be empty",rule="self != ''"
	// +kubebuilder:validation:XValidation:message="immutable field changed",rule="self == oldSelf"
	// +optional
	Role string `json:"role,omitempty"`

	// InstanceProfile names an existing instance profile to use instead of a role. Its name starts with "eks".
	//
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:message="instanceProfile cannot be empty",rule="self != ''"
	// +kubebuilder:validation:XValidation:message="instanceProfile must start with 'eks'",rule="self == '' || self.startsWith('eks')"
	// +optional
	InstanceProfile string `json:"instanceProfile,omitempty"`

	// SubnetSelectorTerms choose the subnets of the nodes. Terms are ORed, the fields inside a term are ANDed.
	//
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:message="subnetSelectorTerms cannot be empty",rule="self.size() != 0"
	// +kubebuilder:validation:XValidation:message="expected at least one, got none, ['tags', 'id']",rule="self.all(x, has(x.tags) || has(x.id))"
	// +kubebuilder:validation:XValidation:message="'id' is mutually exclusive, cannot be set with a combination of other fields in subnetSelectorTerms",rule="!self.exists(x, has(x.id) && has(x.tags))"
	// +required
	SubnetSelectorTerms []SubnetSelectorTerm `json:"subnetSelectorTerms"`

	// SecurityGroupSelectorTerms choose the security groups of the nodes. Terms are ORed, the fields inside a term are ANDed.
	//
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:message="securityGroupSelectorTerms cannot be empty",rule="self.size() != 0"
	// +kubebuilder:validation:XValidation:message="expected at least one, got none, ['tags', 'id', 'name']",rule="self.all(x, has(x.tags) || has(x.id) || has(x.name))"
	// +kubebuilder:validation:XValidation:message="'id' is mutually exclusive, cannot be set with a combination of other fields in securityGroupSelectorTerms",rule="!self.exists(x, has(x.id) && (has(x.tags) || has(x.name)))"
	// +kubebuilder:validation:XValidation:message="'name' is mutually exclusive, cannot be set with a combination of other fields in securityGroupSelectorTerms",rule="!self.exists(x, has(x.name) && (has(x.tags) || has(x.id)))"
	// +required
	SecurityGroupSelectorTerms []SecurityGroupSelectorTerm `json:"securityGroupSelectorTerms"`

	// PodSubnetSelectorTerms choose the subnets of pod addresses, in the zones of the node subnets.
	// No effect on pods yet: what the terms choose is shown in the status, and pods use the network of their node.
	//
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:message="podSubnetSelectorTerms cannot be empty",rule="self.size() != 0"
	// +kubebuilder:validation:XValidation:message="expected at least one, got none, ['tags', 'id']",rule="self.all(x, has(x.tags) || has(x.id))"
	// +kubebuilder:validation:XValidation:message="'id' is mutually exclusive, cannot be set with a combination of other fields in podSubnetSelectorTerms",rule="!self.exists(x, has(x.id) && has(x.tags))"
	// +optional
	PodSubnetSelectorTerms []SubnetSelectorTerm `json:"podSubnetSelectorTerms,omitempty"`

	// PodSecurityGroupSelectorTerms choose the security groups of the interfaces that carry pod addresses.
	// No effect on pods yet: what the terms choose is shown in the status, and pods use the network of their node.
	//
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:message="podSecurityGroupSelectorTerms cannot be empty",rule="self.size() != 0"
	// +kubebuilder:validation:XValidation:message="expected at least one, got none, ['tags', 'id', 'name']",rule="self.all(x, has(x.tags) || has(x.id) || has(x.name))"
	// +kubebuilder:validation:XValidation:message="'id' is mutually exclusive, cannot be set with a combination of other fields in podSecurityGroupSelectorTerms",rule="!self.exists(x, has(x.id) && (has(x.tags) || has(x.name)))"
	// +kubebuilder:validation:XValidation:message="'name' is mutually exclusive, cannot be set with a combination of other fields in podSecurityGroupSelectorTerms",rule="!self.exists(x, has(x.name) && (has(x.tags) || has(x.id)))"
	// +optional
	PodSecurityGroupSelectorTerms []SecurityGroupSelectorTerm `json:"podSecurityGroupSelectorTerms,omitempty"`

	// CapacityReservationSelectorTerms choose On-Demand capacity reservations and Capacity Blocks.
	// No effect yet: stored and validated only.
	//
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:message="expected at least one, got none, ['tags', 'id']",rule="self.all(x, has(x.tags) || has(x.id))"
	// +kubebuilder:validation:XValidation:message="'id' is mutually exclusive, cannot be set with a combination of other fields in capacityReservationSelectorTerms",rule="!self.exists(x, has(x.id) && (has(x.tags) || has(x.owner)))"
	// +optional
	CapacityReservationSelectorTerms []CapacityReservationSelectorTerm `json:"capacityReservationSelectorTerms,omitempty"`

	// SNATPolicy says how the source port of pod traffic that leaves the VPC is chosen, or that it is not translated at all.
	//
	// +kubebuilder:validation:Enum=Random;Disabled
	// +kubebuilder:default=Random
	// +optional
	SNATPolicy SNATPolicy `json:"snatPolicy,omitempty"`

	// NetworkPolicy says what happens to the traffic of a pod before the network policies that select it are in force.
	//
	// +kubebuilder:validation:Enum=DefaultAllow;DefaultDeny
	// +kubebuilder:default=DefaultAllow
	// +optional
	NetworkPolicy NetworkPolicy `json:"networkPolicy,omitempty"`

	// NetworkPolicyEventLogs turns on a log line per flow that a network policy decides on.
	//
	// +kubebuilder:validation:Enum=Enabled;Disabled
	// +kubebuilder:default=Disabled
	// +optional
	NetworkPolicyEventLogs NetworkPolicyEventLogs `json:"networkPolicyEventLogs,omitempty"`

	// EphemeralStorage is the data volume of a node: images, container layers and emptyDir volumes.
	//
	// +kubebuilder:default={iops: 3000, size: "80Gi", throughput: 125}
	// +optional
	EphemeralStorage *EphemeralStorage `json:"ephemeralStorage,omitempty"`

	// CertificateBundles are added to the trust store of the nodes.
	// No effect yet: stored and validated only.
	//
	// +kubebuilder:validation:MaxItems=30
	// +listType=map
	// +listMapKey=name
	// +optional
	CertificateBundles []CertificateBundle `json:"certificateBundles,omitempty"`

	// AdvancedNetworking holds settings most clusters leave alone.
	//
	// +optional
	AdvancedNetworking *AdvancedNetworking `json:"advancedNetworking,omitempty"`

	// AdvancedSecurity holds settings most clusters leave alone.
	//
	// +optional
	AdvancedSecurity *AdvancedSecurity `json:"advancedSecurity,omitempty"`

	// AdvancedCompute holds settings most clusters leave alone.
	//
	// +optional
	AdvancedCompute *AdvancedCompute `json:"advancedCompute,omitempty"`

	// PlacementGroupSelector names the placement group the instances are launched into.
	//
	// +kubebuilder:validation:XValidation:message="expected at least one, got none, ['name', 'id']",rule="has(self.name) || has(self.id)"
	// +kubebuilder:validation:XValidation:message="'name' and 'id' are mutually exclusive",rule="!(has(self.name) && has(self.id))"
	// +optional
	PlacementGroupSelector *PlacementGroupSelector `json:"placementGroupSelector,omitempty"`

	// Tags are put on instances, volumes and interfaces. The cluster role needs extra permissions for them.
	//
	// +kubebuilder:validation:MaxProperties=50
	// +kubebuilder:validation:XValidation:message="empty tag keys aren't supported",rule="self.all(k, k != '')"
	// +kubebuilder:validation:XValidation:message="tag contains a restricted tag matching kubernetes.io/cluster/",rule="self.all(k, !k.startsWith('kubernetes.io/cluster'))"
	// +kubebuilder:validation:XValidation:message="tag contains a restricted tag matching karpenter.sh/provisioner-name",rule="self.all(k, k != 'karpenter.sh/provisioner-name')"
	// +kubebuilder:validation:XValidation:message="tag contains a restricted tag matching karpenter.sh/nodepool",rule="self.all(k, k != 'karpenter.sh/nodepool')"
	// +kubebuilder:validation:XValidation:message="tag contains a restricted tag matching karpenter.sh/nodeclaim",rule="self.all(k, k != 'karpenter.sh/nodeclaim')"
	// +kubebuilder:validation:XValidation:message="tag contains a restricted tag matching karpenter.sh/managed-by",rule="self.all(k, k != 'karpenter.sh/managed-by')"
	// +kubebuilder:validation:XValidation:message="tag contains a restricted tag matching eks.amazonaws.com/nodeclass",rule="self.all(k, k != 'eks.amazonaws.com/nodeclass')"
	// +optional
	Tags map[string]string `json:"tags,omitempty"`
}
