package v1

import "k8s.io/apimachinery/pkg/api/resource"

// SNATPolicy says how the source port of pod traffic that leaves the VPC is chosen.
type SNATPolicy string

const (
	// SNATRandom translates to the node's address with fully random ports.
	SNATRandom SNATPolicy = "Random"
	// SNATDisabled leaves pod addresses as they are.
	SNATDisabled SNATPolicy = "Disabled"
)

// NetworkPolicy says what holds for a pod before its network policies are in force.
type NetworkPolicy string

const (
	// NetworkPolicyDefaultAllow lets new pods talk until policies select them.
	NetworkPolicyDefaultAllow NetworkPolicy = "DefaultAllow"
	// NetworkPolicyDefaultDeny keeps new pods closed until policies select them.
	NetworkPolicyDefaultDeny NetworkPolicy = "DefaultDeny"
)

// NetworkPolicyEventLogs switches the flow log of network policies.
type NetworkPolicyEventLogs string

const (
	// EventLogsEnabled writes a line per decided flow.
	EventLogsEnabled NetworkPolicyEventLogs = "Enabled"
	// EventLogsDisabled writes nothing.
	EventLogsDisabled NetworkPolicyEventLogs = "Disabled"
)

// SubnetSelectorTerm chooses subnets by id or by tags.
type SubnetSelectorTerm struct {
	// ID is a subnet id.
	//
	// +kubebuilder:validation:Pattern=`subnet-[0-9a-z]+`
	// +optional
	ID string `json:"id,omitempty"`

	// Tags a subnet has to carry; the value '*' accepts any value.
	//
	// +kubebuilder:validation:MaxProperties=20
	// +kubebuilder:validation:XValidation:message="empty tag keys or values aren't supported",rule="self.all(k, k != '' && self[k] != '')"
	// +optional
	Tags map[string]string `json:"tags,omitempty"`
}

// SecurityGroupSelectorTerm chooses security groups by id, by tags or by group name.
type SecurityGroupSelectorTerm struct {
	// ID is a security group id.
	//
	// +kubebuilder:validation:Pattern=`sg-[0-9a-z]+`
	// +optional
	ID string `json:"id,omitempty"`

	// Name is the group name in EC2, which is not the value of the Name tag.
	//
	// +optional
	Name string `json:"name,omitempty"`

	// Tags a security group has to carry; the value '*' accepts any value.
	//
	// +kubebuilder:validation:MaxProperties=20
	// +kubebuilder:validation:XValidation:message="empty tag keys or values aren't supported",rule="self.all(k, k != '' && self[k] != '')"
	// +optional
	Tags map[string]string `json:"tags,omitempty"`
}

// CapacityReservationSelectorTerm chooses capacity reservations by id, or by tags and owner.
type CapacityReservationSelectorTerm struct {
	// ID is a capacity reservation id.
	//
	// +kubebuilder:validation:Pattern=`^cr-[0-9a-z]+$`
	// +optional
	ID string `json:"id,omitempty"`

	// Owner is the account that owns the reservation.
	//
	// +kubebuilder:validation:Pattern=`^[0-9]{12}$`
	// +optional
	Owner string `json:"owner,omitempty"`

	// Tags a reservation has to carry; the value '*' accepts any value.
	//
	// +kubebuilder:validation:MaxProperties=20
	// +kubebuilder:validation:XValidation:message="empty tag keys or values aren't supported",rule="self.all(k, k != '' && self[k] != '')"
	// +optional
	Tags map[string]string `json:"tags,omitempty"`
}

// EphemeralStorage describes the data volume of a node.
type EphemeralStorage struct {
	// Size of the volume: 1-59000Gi, 1-64000G, 1-58Ti or 1-64T.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^((?:[1-9][0-9]{0,3}|[1-4][0-9]{4}|[5][0-8][0-9]{3}|59000)Gi|(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|[6][0-3][0-9]{3}|64000)G|([1-9]||[1-5][0-7]|58)Ti|([1-9]||[1-5][0-9]|6[0-3]|64)T)$`
	// +kubebuilder:default="80Gi"
	// +optional
	Size string `json:"size,omitempty"`

	// IOPS of the volume.
	//
	// +kubebuilder:validation:Minimum=3000
	// +kubebuilder:validation:Maximum=16000
	// +kubebuilder:default=3000
	// +optional
	IOPS *int64 `json:"iops,omitempty"`

	// Throughput of the volume in MiB/s.
	//
	// +kubebuilder:validation:Minimum=125
	// +kubebuilder:validation:Maximum=1000
	// +kubebuilder:default=125
	// +optional
	Throughput *int64 `json:"throughput,omitempty"`

	// KMSKeyID encrypts the data and the root volume: key id, key ARN, alias name or alias ARN.
	//
	// +kubebuilder:validation:MinLength=1
	// +optional
	KMSKeyID string `json:"kmsKeyID,omitempty"`
}

// CertificateBundle is a named set of certificates that nodes trust.
type CertificateBundle struct {
	// Name of the bundle, unique in the NodeClass.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?$`
	Name string `json:"name"`

	// Data is the bundle in PEM form, base64 encoded.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9+/]*={0,2}$`
	Data string `json:"data"`
}

// AdvancedNetworking holds network settings of a node beyond subnets and security groups.
type AdvancedNetworking struct {
	// AssociatePublicIPAddress gives or refuses a public address; unset follows the subnet.
	//
	// +optional
	AssociatePublicIPAddress *bool `json:"associatePublicIPAddress,omitempty"`

	// HTTPSProxy is the forward proxy of the node's services.
	//
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^https?://.+$`
	// +optional
	HTTPSProxy string `json:"httpsProxy,omitempty"`

	// NoProxy lists hosts, domains and networks reached without the proxy.
	//
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=255
	// +optional
	NoProxy []string `json:"noProxy,omitempty"`

	// IPv4PrefixSize is 'Auto' (/28 prefixes, single addresses when a subnet has no free prefix) or '32' (single addresses only).
	//
	// +kubebuilder:validation:Enum=Auto;"32"
	// +optional
	IPv4PrefixSize string `json:"ipv4PrefixSize,omitempty"`

	// EnableV4Egress lets pods of an IPv6 cluster reach IPv4 addresses; the default is true.
	// No effect yet: stored and validated only, as clusters are IPv4.
	//
	// +optional
	EnableV4Egress *bool `json:"enableV4Egress,omitempty"`

	// NetworkInterfaces is a fixed layout of interfaces; nothing is added to it after the launch.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=150
	// +kubebuilder:validation:XValidation:message="networkInterfaces must include a primary interface with interfaceType='interface'",rule="self.exists(x, x.networkCardIndex == 0 && x.deviceIndex == 0 && x.interfaceType == 'interface')"
	// +kubebuilder:validation:XValidation:message="networkInterfaces must not have duplicate networkCardIndex and deviceIndex pairs",rule="self.all(x, self.filter(y, x.networkCardIndex == y.networkCardIndex && x.deviceIndex == y.deviceIndex).size() == 1)"
	// +optional
	NetworkInterfaces []NetworkInterface `json:"networkInterfaces,omitempty"`
}

// NetworkInterface is one interface of a fixed layout.
//
// +kubebuilder:validation:XValidation:message="'secondaryIPv4Count' and 'secondaryIPv4PrefixCount' are mutually exclusive",rule="!(has(self.secondaryIPv4Count) && has(self.secondaryIPv4PrefixCount))"
// +kubebuilder:validation:XValidation:message="'secondaryIPv4Count' and 'secondaryIPv4PrefixCount' are only supported on networkCardIndex 0",rule="self.networkCardIndex == 0 || !(has(self.secondaryIPv4Count) || has(self.secondaryIPv4PrefixCount))"
// +kubebuilder:validation:XValidation:message="'secondaryIPv4Count' and 'secondaryIPv4PrefixCount' are not supported on an 'efa-only' interface",rule="self.interfaceType != 'efa-only' || !(has(self.secondaryIPv4Count) || has(self.secondaryIPv4PrefixCount))"
type NetworkInterface struct {
	// NetworkCardIndex is the network card of the instance type.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=63
	NetworkCardIndex int32 `json:"networkCardIndex"`

	// DeviceIndex is the position on the card.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=63
	DeviceIndex int32 `json:"deviceIndex"`

	// InterfaceType is 'interface' or 'efa-only'.
	//
	// +kubebuilder:validation:Enum=interface;efa-only
	InterfaceType string `json:"interfaceType"`

	// SecondaryIPv4Count is the number of single addresses for pods.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=63
	// +optional
	SecondaryIPv4Count *int32 `json:"secondaryIPv4Count,omitempty"`

	// SecondaryIPv4PrefixCount is the number of /28 prefixes for pods.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=63
	// +optional
	SecondaryIPv4PrefixCount *int32 `json:"secondaryIPv4PrefixCount,omitempty"`
}

// AdvancedSecurity holds security settings of a node.
type AdvancedSecurity struct {
	// FIPS selects the FIPS variant of the node image.
	// No effect yet: stored and validated only.
	//
	// +optional
	FIPS *bool `json:"fips,omitempty"`
}

// AdvancedCompute holds kernel resources of a node.
type AdvancedCompute struct {
	// Hugepages are reserved when the node boots.
	// No effect on the node yet: types without enough memory are left out and capacity is counted, but nothing is reserved.
	//
	// +optional
	Hugepages *Hugepages `json:"hugepages,omitempty"`
}

// Hugepages is a reservation per page size.
type Hugepages struct {
	// Pages to reserve, one entry per size.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +listType=map
	// +listMapKey=size
	Pages []Hugepage `json:"pages"`
}

// Hugepage is a number of huge pages of one size.
type Hugepage struct {
	// Size of a page.
	//
	// +kubebuilder:validation:Enum="2Mi";"1Gi"
	Size string `json:"size"`

	// Count of pages.
	//
	// +kubebuilder:validation:Minimum=1
	Count int64 `json:"count"`
}

// PlacementGroupSelector names one placement group.
type PlacementGroupSelector struct {
	// Name of the group.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Name string `json:"name,omitempty"`

	// ID of the group.
	//
	// +kubebuilder:validation:Pattern=`^pg-[0-9a-z]+$`
	// +optional
	ID string `json:"id,omitempty"`
}

// Default sizes of the data volume, used where an object was written without defaults.
const (
	DefaultEphemeralSize       = "80Gi"
	DefaultEphemeralIOPS       = int64(3000)
	DefaultEphemeralThroughput = int64(125)
)

// Bytes is the size of the data volume in bytes; an absent or unreadable size counts as the default.
func (e *EphemeralStorage) Bytes() int64 {
	if e != nil {
		if q, err := resource.ParseQuantity(e.Size); err == nil && q.Sign() > 0 {
			return q.Value()
		}
	}
	q := resource.MustParse(DefaultEphemeralSize)
	return q.Value()
}
