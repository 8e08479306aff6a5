package eks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/automode-dev/automode/localcloud/store"
)

// converge makes a cluster what its record wants it to be.
var converge = []step{
	{"creating the service-linked role", (*work).serviceRole},
	{"creating the cluster security group", (*work).securityGroup},
	{"creating the control plane's network interface", (*work).networkInterface},
	{"publishing the API server's port", (*work).publish},
	{"starting the control plane", (*work).controlPlane},
	{"applying the first objects", (*work).bootstrap},
	{"admitting the roles of NodeClasses", (*work).nodeRoles},
	{"applying access policies", (*work).access},
	{"ending what Auto Mode ran", (*work).endAutoMode},
	{"starting the controllers", (*work).controllers},
}

// dismantle takes everything of a cluster away.
var dismantle = []step{
	{"stopping the controllers", (*work).stopControllers},
	{"terminating instances", (*work).removeCompute},
	{"stopping the control plane", (*work).stopControlPlane},
	{"removing the network", (*work).removeNetwork},
	{"forgetting the cluster", (*work).forget},
}

// work is one pass over one cluster.
type work struct {
	s    *Service
	loop *loop
	r    *record

	deadline time.Time // of what is unfinished
	iface    Interface
	info     ControlPlaneInfo
}

func (w *work) plane() string { return w.r.plane(w.s.o.Region) }

// update changes the stored record and the copy of this pass alike.
func (w *work) update(change func(*record)) error {
	r, err := w.s.edit(w.r.Region, w.r.name(), func(_ *store.Tx, r *record) error {
		change(r)
		return nil
	})
	if err == nil {
		w.r = r
	}
	return err
}

func (w *work) serviceRole(ctx context.Context) error {
	return w.s.o.Roles.EnsureServiceLinkedRole(ctx)
}

func (w *work) securityGroup(ctx context.Context) error {
	vpc := w.r.Cluster.ResourcesVpcConfig
	if aws.ToString(vpc.ClusterSecurityGroupId) != "" {
		return nil
	}
	name := w.r.name()
	group := fmt.Sprintf("eks-cluster-sg-%s-%s", name, digits(aws.ToString(w.r.Cluster.Arn)+w.r.Cluster.CreatedAt.String()))
	id, err := w.s.o.Network.EnsureClusterSecurityGroup(ctx, SecurityGroupSpec{
		Region: w.r.Region, VPCID: aws.ToString(vpc.VpcId), Cluster: name, Name: group,
		Description: "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
		Tags: map[string]string{
			"Name": group, "aws:eks:cluster-name": name, "kubernetes.io/cluster/" + name: "owned",
		},
	})
	if err != nil {
		return err
	}
	return w.update(func(r *record) {
		for _, c := range r.pictures() {
			c.ResourcesVpcConfig.ClusterSecurityGroupId = aws.String(id)
		}
	})
}

func (w *work) networkInterface(ctx context.Context) error {
	vpc := w.r.Cluster.ResourcesVpcConfig
	name := w.r.name()
	groups := append([]string{aws.ToString(vpc.ClusterSecurityGroupId)}, w.r.wanted().ResourcesVpcConfig.SecurityGroupIds...)
	iface, err := w.s.o.Network.EnsureInterface(ctx, InterfaceSpec{
		Region: w.r.Region, VPCID: aws.ToString(vpc.VpcId), SubnetID: vpc.SubnetIds[0], Cluster: name,
		Description: "Amazon EKS " + name, SecurityGroupIDs: groups,
		Tags: map[string]string{
			"aws:eks:cluster-name": name, "kubernetes.io/cluster/" + name: "owned",
			"cluster.k8s.amazonaws.com/name": name,
		},
	})
	w.iface = iface
	return err
}

func (w *work) publish(ctx context.Context) error {
	return w.s.o.Network.PublishPort(ctx, w.r.Region, aws.ToString(w.r.Cluster.ResourcesVpcConfig.VpcId), w.r.HostPort)
}

func (w *work) controlPlane(ctx context.Context) error {
	cidr, err := w.serviceCIDR()
	if err != nil {
		return err
	}
	want := w.r.wanted()
	w.info, err = w.s.o.ControlPlane.Ensure(ctx, ControlPlaneSpec{
		Name: w.plane(), Version: aws.ToString(want.Version), NetNS: w.iface.NetNS, Address: w.iface.Address,
		HostPort: w.r.HostPort, ServiceCIDR: cidr, IssuerURL: aws.ToString(want.Identity.Oidc.Issuer),
		AuthenticatePath: "/_automode/clusters/" + w.plane() + "/authenticate",
	}, w.loop.detail)
	if err != nil {
		return err
	}
	w.loop.ready(w.info.Admin)
	ca := encode64(w.info.CertificateAuthority)
	if aws.ToString(w.r.Cluster.CertificateAuthority.Data) == ca && w.r.Cluster.Endpoint != nil {
		return nil
	}
	return w.update(func(r *record) {
		for _, c := range r.pictures() {
			c.Endpoint = aws.String(w.s.endpoint(r))
			c.CertificateAuthority = &types.Certificate{Data: aws.String(ca)}
		}
	})
}

func (w *work) serviceCIDR() (netip.Prefix, error) {
	text := aws.ToString(w.r.Cluster.KubernetesNetworkConfig.ServiceIpv4Cidr)
	cidr, err := netip.ParsePrefix(text)
	if err != nil {
		return cidr, fmt.Errorf("reading service range %q: %w", text, err)
	}
	return cidr, nil
}

func (w *work) controllers(ctx context.Context) error {
	want := w.r.wanted()
	if !autoModeOn(want) {
		return nil
	}
	cidr, err := w.serviceCIDR()
	if err != nil {
		return err
	}
	return w.s.o.Controllers.Ensure(ctx, ControllersSpec{
		Name: w.plane(), Cluster: w.r.name(), ARN: aws.ToString(want.Arn), Region: w.r.Region,
		Version: aws.ToString(want.Version), Endpoint: w.s.endpoint(w.r), CertificateAuthority: w.info.CertificateAuthority,
		ServiceCIDR: cidr, RoleARN: aws.ToString(want.RoleArn), VPCID: aws.ToString(want.ResourcesVpcConfig.VpcId),
		SubnetIDs: want.ResourcesVpcConfig.SubnetIds, SecurityGroupID: aws.ToString(want.ResourcesVpcConfig.ClusterSecurityGroupId),
		NodePools: slices.Clone(want.ComputeConfig.NodePools), NodeRoleARN: aws.ToString(want.ComputeConfig.NodeRoleArn),
		Tags: want.Tags,
	})
}

func (w *work) stopControllers(ctx context.Context) error {
	return w.s.o.Controllers.Remove(ctx, w.plane())
}

// removeCompute ends with notYet until nothing of the cluster's is left.
func (w *work) removeCompute(ctx context.Context) error {
	left, err := w.s.o.Network.RemoveCompute(ctx, w.r.Region, w.r.name())
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return notYet{fmt.Sprintf("%d left: %s", len(left), strings.Join(left[:min(len(left), 5)], ", "))}
	}
	return w.s.o.Roles.RemoveInstanceProfiles(ctx, w.r.Region, w.r.name())
}

func (w *work) stopControlPlane(ctx context.Context) error {
	return w.s.o.ControlPlane.Remove(ctx, w.plane())
}

func (w *work) removeNetwork(ctx context.Context) error {
	n, vpc := w.s.o.Network, aws.ToString(w.r.Cluster.ResourcesVpcConfig.VpcId)
	return errors.Join(
		n.WithdrawPort(ctx, w.r.Region, vpc, w.r.HostPort),
		n.RemoveInterface(ctx, w.r.Region, w.r.name()),
		n.RemoveClusterSecurityGroup(ctx, w.r.Region, vpc, w.r.name()),
	)
}

func (w *work) forget(context.Context) error {
	return w.s.db.Update(func(tx *store.Tx) error { return forget(tx, w.r) })
}
