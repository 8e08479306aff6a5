package imds

import (
	"net/netip"
	"time"
)

// Document is all that the metadata service knows of one instance. The local cloud's EC2 service fills it.
type Document struct {
	InstanceID      string            `json:"instanceId"`
	InstanceType    string            `json:"instanceType"`
	ImageID         string            `json:"imageId"`
	ReservationID   string            `json:"reservationId"`
	Account         string            `json:"account"`
	Region          string            `json:"region"`
	Zone            string            `json:"zone"`
	ZoneID          string            `json:"zoneId"`
	Partition       string            `json:"partition,omitempty"` // aws where empty
	Architecture    string            `json:"architecture"`        // x86_64 or arm64
	LifeCycle       string            `json:"lifeCycle"`           // on-demand or spot
	PrivateDNSName  string            `json:"privateDnsName"`
	PublicDNSName   string            `json:"publicDnsName,omitempty"`
	PublicIPv4      string            `json:"publicIpv4,omitempty"`
	AMILaunchIndex  int               `json:"amiLaunchIndex"`
	PendingTime     time.Time         `json:"pendingTime"` // when the instance was launched
	KeyName         string            `json:"keyName,omitempty"`
	PublicKey       string            `json:"publicKey,omitempty"`
	SecurityGroups  []string          `json:"securityGroups,omitempty"` // names
	VPCID           string            `json:"vpcId,omitempty"`
	VPCCIDRs        []netip.Prefix    `json:"vpcCidrs,omitempty"` // the first is the primary one
	Interfaces      []Interface       `json:"interfaces,omitempty"`
	Volumes         map[string]string `json:"volumes,omitempty"` // block-device-mapping: ami, root, ebs1 -> device
	UserData        []byte            `json:"userData,omitempty"`
	Tags            map[string]string `json:"tags,omitempty"`
	TagsInMetadata  bool              `json:"tagsInMetadata,omitempty"`  // InstanceMetadataTags enabled
	HopLimit        int               `json:"hopLimit,omitempty"`        // HttpPutResponseHopLimit; 1 where 0
	EndpointOff     bool              `json:"endpointOff,omitempty"`     // HttpEndpoint disabled
	SpotAction      *SpotAction       `json:"spotAction,omitempty"`      // interruption notice
	RebalanceNotice time.Time         `json:"rebalanceNotice,omitzero"`  // rebalance recommendation
	Maintenance     []ScheduledEvent  `json:"maintenance,omitempty"`     // events/maintenance/scheduled
	ProfileARN      string            `json:"profileArn,omitempty"`      // instance profile
	ProfileID       string            `json:"profileId,omitempty"`       // AIPA…
	RoleName        string            `json:"roleName,omitempty"`        // name under security-credentials/
	Credentials     *Credentials      `json:"credentials,omitempty"`     // of that role, current
	TargetLifecycle string            `json:"targetLifecycle,omitempty"` // autoscaling/target-lifecycle-state
}

// Interface is a network interface of the instance.
type Interface struct {
	ID               string         `json:"id"`
	MAC              string         `json:"mac"`
	DeviceIndex      int            `json:"deviceIndex"`
	NetworkCard      int            `json:"networkCard"`
	OwnerID          string         `json:"ownerId"`
	PrivateDNSName   string         `json:"privateDnsName,omitempty"`
	Addresses        []netip.Addr   `json:"addresses"` // the first is the primary one
	Prefixes         []netip.Prefix `json:"prefixes,omitempty"`
	IPv6             []netip.Addr   `json:"ipv6,omitempty"`
	IPv6Prefixes     []netip.Prefix `json:"ipv6Prefixes,omitempty"`
	PublicIPv4       string         `json:"publicIpv4,omitempty"`
	SubnetID         string         `json:"subnetId"`
	SubnetCIDR       netip.Prefix   `json:"subnetCidr"`
	VPCID            string         `json:"vpcId"`
	VPCCIDRs         []netip.Prefix `json:"vpcCidrs"`
	SecurityGroupIDs []string       `json:"securityGroupIds,omitempty"`
	SecurityGroups   []string       `json:"securityGroups,omitempty"` // names
}

// Credentials are temporary credentials of the instance profile's role.
type Credentials struct {
	AccessKeyID     string    `json:"accessKeyId"`
	SecretAccessKey string    `json:"secretAccessKey"`
	Token           string    `json:"token"`
	LastUpdated     time.Time `json:"lastUpdated"`
	Expiration      time.Time `json:"expiration"`
}

// SpotAction is the interruption notice of a spot instance.
type SpotAction struct {
	Action string    `json:"action"` // terminate, stop, hibernate
	Time   time.Time `json:"time"`
}

// ScheduledEvent is a maintenance event.
type ScheduledEvent struct {
	EventID     string    `json:"eventId"`
	Code        string    `json:"code"` // instance-retirement, …
	Description string    `json:"description"`
	State       string    `json:"state"` // active, completed, canceled
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter,omitzero"`
}
