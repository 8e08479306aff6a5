package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CNINode is the network of one node; its name is the node's name.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=cninodes,scope=Cluster
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Instance",type=string,JSONPath=`.spec.instanceID`
// +kubebuilder:printcolumn:name="Addresses",type=integer,JSONPath=`.status.addressCount`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type CNINode struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   CNINodeSpec   `json:"spec,omitempty"`
	Status CNINodeStatus `json:"status,omitempty"`
}

// CNINodeList is a list of CNINodes.
//
// +kubebuilder:object:root=true
type CNINodeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CNINode `json:"items"`
}

// CNINodeSpec is what the network controller wants for a node.
type CNINodeSpec struct {
	// InstanceID of the node in EC2.
	//
	// +optional
	InstanceID string `json:"instanceID,omitempty"`

	// Addresses is the number of pod addresses the node should have.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	Addresses int32 `json:"addresses,omitempty"`

	// MaxPods is the number of pods the node accepts; addresses never exceed it by more than one prefix.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxPods int32 `json:"maxPods,omitempty"`

	// SNATPolicy of the node's NodeClass.
	//
	// +kubebuilder:validation:Enum=Random;Disabled
	// +optional
	SNATPolicy string `json:"snatPolicy,omitempty"`

	// NetworkPolicy of the node's NodeClass.
	//
	// +kubebuilder:validation:Enum=DefaultAllow;DefaultDeny
	// +optional
	NetworkPolicy string `json:"networkPolicy,omitempty"`

	// NetworkPolicyEventLogs of the node's NodeClass.
	//
	// +kubebuilder:validation:Enum=Enabled;Disabled
	// +optional
	NetworkPolicyEventLogs string `json:"networkPolicyEventLogs,omitempty"`
}

// CNINodeStatus is what the node has.
type CNINodeStatus struct {
	// Interfaces of the node, the primary one first.
	//
	// +listType=map
	// +listMapKey=id
	// +optional
	Interfaces []Interface `json:"interfaces,omitempty"`

	// AddressCount is the number of pod addresses over all interfaces.
	//
	// +optional
	AddressCount int32 `json:"addressCount,omitempty"`

	// VPCCIDRs are the networks of the VPC; traffic to them is not translated.
	//
	// +optional
	VPCCIDRs []string `json:"vpcCIDRs,omitempty"`

	// Conditions tell whether addresses could be had.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Interface is one network interface of a node.
type Interface struct {
	// ID of the network interface.
	ID string `json:"id"`
	// MAC address.
	MAC string `json:"mac"`
	// DeviceIndex is 0 for the primary interface.
	DeviceIndex int32 `json:"deviceIndex"`
	// NetworkCardIndex is the card the interface is on.
	//
	// +optional
	NetworkCardIndex int32 `json:"networkCardIndex,omitempty"`
	// SubnetID of the interface.
	SubnetID string `json:"subnetID"`
	// SubnetCIDR is the IPv4 network of the subnet.
	SubnetCIDR string `json:"subnetCIDR"`
	// Address is the primary IPv4 address.
	Address string `json:"address"`
	// Gateway is the IPv4 gateway of the subnet.
	Gateway string `json:"gateway"`
	// Prefixes are the /28 networks delegated to the interface for pods.
	//
	// +optional
	Prefixes []string `json:"prefixes,omitempty"`
	// Addresses are single secondary addresses for pods.
	//
	// +optional
	Addresses []string `json:"addresses,omitempty"`
}
