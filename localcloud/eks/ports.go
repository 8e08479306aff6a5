package eks

import (
	"context"
	"errors"
	"net/netip"

	"k8s.io/client-go/rest"

	"github.com/automode-dev/automode/localcloud/access"
)

// ErrNotFound is wrapped by a port's error when the named thing does not exist.
var ErrNotFound = errors.New("not found")

// ControlPlane runs the Kubernetes processes of clusters.
type ControlPlane interface {
	// Ensure starts, resumes or changes the control plane named spec.Name and
	// returns when its API server is ready. Calling it again with the same spec
	// changes nothing. progress is told the name of each step as it begins.
	Ensure(ctx context.Context, spec ControlPlaneSpec, progress func(step string)) (ControlPlaneInfo, error)
	// Remove stops the control plane and deletes its data. A name that is not
	// there is not an error.
	Remove(ctx context.Context, name string) error
}

// ControlPlaneSpec is what a control plane shall be.
type ControlPlaneSpec struct {
	// Name is unique among all clusters of this cloud.
	Name string
	// Version is the Kubernetes minor version, such as "1.35".
	Version string
	// NetNS is the file of the network namespace to run in; empty means that
	// everything listens on the host's loopback.
	NetNS string
	// Address is the address of the interface in NetNS; not valid without NetNS.
	Address netip.Addr
	// HostPort is the loopback port on which clients find the API server.
	HostPort int
	// ServiceCIDR is the range of Service addresses.
	ServiceCIDR netip.Prefix
	// IssuerURL is the issuer of service account tokens.
	IssuerURL string
	// AuthenticatePath is the path on the local cloud that answers TokenReviews.
	AuthenticatePath string
}

// ControlPlaneInfo is what a ready control plane tells.
type ControlPlaneInfo struct {
	// CertificateAuthority is the PEM bundle that signs the serving certificate.
	CertificateAuthority []byte
	// Admin is a client configuration with full rights on the cluster.
	Admin *rest.Config
}

// Controllers runs the Auto Mode controllers of clusters, one process each.
type Controllers interface {
	// Ensure starts the controllers, or lets running ones take up a changed
	// spec. It returns when they run; it does not wait for what they create.
	Ensure(ctx context.Context, spec ControllersSpec) error
	// Remove stops the controllers. A name that is not there is not an error.
	Remove(ctx context.Context, name string) error
}

// ControllersSpec is what the controllers of a cluster must know.
type ControllersSpec struct {
	// Name is the name of the control plane (ControlPlaneSpec.Name), Cluster
	// the name that users gave.
	Name, Cluster, ARN string
	Region             string
	Version            string
	// Endpoint is the URL of the API server, the same on the host and in nodes.
	Endpoint             string
	CertificateAuthority []byte
	ServiceCIDR          netip.Prefix
	RoleARN              string
	VPCID                string
	SubnetIDs            []string
	SecurityGroupID      string
	// NodePools are the built-in pools that shall exist; NodeRoleARN is the
	// role of their nodes, empty without pools.
	NodePools   []string
	NodeRoleARN string
	Tags        map[string]string
}

// Subnet is what the service must know of a subnet.
type Subnet struct {
	ID, VPCID, Zone, ZoneID string
}

// Network is EC2 as this service uses it: requests made by the service itself,
// not by a user. Its implementation acts as the service-linked role.
type Network interface {
	// Subnets returns the named subnets in the order asked; an unknown one is
	// an error that wraps ErrNotFound and names it.
	Subnets(ctx context.Context, region string, ids []string) ([]Subnet, error)
	// CheckSecurityGroups fails, wrapping ErrNotFound, when one of ids is not a
	// security group of the VPC.
	CheckSecurityGroups(ctx context.Context, region, vpcID string, ids []string) error
	// EnsureClusterSecurityGroup returns the id of the group named spec.Name of
	// the VPC, which it creates where missing. Its rules allow everything
	// between its members and everything out.
	EnsureClusterSecurityGroup(ctx context.Context, spec SecurityGroupSpec) (string, error)
	// EnsureInterface returns the requester-managed interface of a control
	// plane, which it creates in spec.SubnetID and puts into a namespace of its
	// own where missing. After a reboot the namespace is made anew.
	EnsureInterface(ctx context.Context, spec InterfaceSpec) (Interface, error)
	// PublishPort makes a loopback port of the host reachable under the same
	// number on the loopback of every machine of the VPC, WithdrawPort ends it.
	// Both may be called again.
	PublishPort(ctx context.Context, region, vpcID string, port int) error
	WithdrawPort(ctx context.Context, region, vpcID string, port int) error
	// RemoveCompute starts the removal of everything the controllers made for
	// the cluster (instances, launch templates, network interfaces; not the
	// volumes of claims) and names what is still there. It is called until
	// nothing is left; calling it for an unknown cluster is fine.
	RemoveCompute(ctx context.Context, region, cluster string) (left []string, err error)
	// RemoveInterface and RemoveClusterSecurityGroup undo their Ensure. What is
	// not there is not an error.
	RemoveInterface(ctx context.Context, region, cluster string) error
	RemoveClusterSecurityGroup(ctx context.Context, region, vpcID, cluster string) error
	// PrivateDNSName is the private DNS name of an instance; an unknown
	// instance is an error that wraps ErrNotFound.
	PrivateDNSName(ctx context.Context, region, instanceID string) (string, error)
}

// SecurityGroupSpec describes a cluster security group.
type SecurityGroupSpec struct {
	Region, VPCID, Cluster string
	Name, Description      string
	Tags                   map[string]string
}

// InterfaceSpec describes the network interface of a control plane.
type InterfaceSpec struct {
	Region, VPCID, SubnetID, Cluster string
	Description                      string
	SecurityGroupIDs                 []string
	Tags                             map[string]string
}

// Interface is a network interface that exists.
type Interface struct {
	ID string
	// NetNS is the file of its network namespace; empty when this cloud has no
	// VPC data path.
	NetNS   string
	Address netip.Addr
}

// Roles is IAM as this service uses it.
type Roles interface {
	// Trusts says whether the role exists and its trust policy lets the service
	// principal do all of the actions.
	Trusts(ctx context.Context, roleARN, service string, actions ...string) (bool, error)
	// PrincipalExists says whether an IAM user or role of this account with the
	// ARN exists.
	PrincipalExists(ctx context.Context, arn string) (bool, error)
	// EnsureServiceLinkedRole creates AWSServiceRoleForAmazonEKS where missing.
	EnsureServiceLinkedRole(ctx context.Context) error
	// RemoveInstanceProfiles deletes the instance profiles that the controllers
	// made for the cluster. None is not an error.
	RemoveInstanceProfiles(ctx context.Context, region, cluster string) error
}

// TokenVerifier checks presigned GetCallerIdentity URLs.
type TokenVerifier interface {
	// VerifyToken returns the caller whose signature the URL carries. The
	// signature must cover the header x-k8s-aws-id with the value clusterID.
	VerifyToken(ctx context.Context, presignedURL, clusterID string) (*access.Caller, error)
}

// Version is a Kubernetes version that this cloud can run.
type Version struct {
	// Minor is "1.35", Patch "1.35.4".
	Minor, Patch string
}
