package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/api/eks/v1alpha1"
	"github.com/automode-dev/automode/compute"
)

// AddressesAvailable is the condition that tells whether the node has the addresses it needs.
const AddressesAvailable = "AddressesAvailable"

// instanceOf reads the instance id from a node's provider id, aws:///<zone>/<instance>.
func instanceOf(node *corev1.Node) (string, bool) {
	rest, ok := strings.CutPrefix(node.Spec.ProviderID, "aws:///")
	_, instance, found := strings.Cut(rest, "/")
	return instance, ok && found && strings.HasPrefix(instance, "i-")
}

// write makes the CNINode say what is known. It writes only what differs.
func (c *Controller) write(ctx context.Context, node *corev1.Node, instance string, class *eksv1.NodeClass, need Need, state *known, problem error) error {
	cni, err := c.ensure(ctx, node, specOf(instance, class, need))
	if err != nil {
		return err
	}
	before := cni.DeepCopy()
	setStatus(&cni.Status, state)
	meta.SetStatusCondition(&cni.Status.Conditions, condition(problem))
	if equality.Semantic.DeepEqual(before.Status, cni.Status) {
		return nil
	}
	if err := c.Client.Status().Patch(ctx, cni, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("writing the status of CNINode %s: %w", node.Name, err)
	}
	return nil
}

// ensure creates the CNINode, owned by its node, or updates its spec.
func (c *Controller) ensure(ctx context.Context, node *corev1.Node, spec v1alpha1.CNINodeSpec) (*v1alpha1.CNINode, error) {
	cni := &v1alpha1.CNINode{}
	err := c.Client.Get(ctx, client.ObjectKeyFromObject(node), cni)
	if apierrors.IsNotFound(err) {
		cni = &v1alpha1.CNINode{ObjectMeta: metav1.ObjectMeta{Name: node.Name, OwnerReferences: []metav1.OwnerReference{owner(node)}}, Spec: spec}
		if err := c.Client.Create(ctx, cni); err != nil {
			return nil, fmt.Errorf("creating CNINode %s: %w", node.Name, err)
		}
		return cni, nil
	}
	if err != nil {
		return nil, fmt.Errorf("getting CNINode %s: %w", node.Name, err)
	}
	before := cni.DeepCopy()
	cni.Spec = spec
	cni.OwnerReferences = []metav1.OwnerReference{owner(node)}
	if equality.Semantic.DeepEqual(before, cni) {
		return cni, nil
	}
	if err := c.Client.Patch(ctx, cni, client.MergeFrom(before)); err != nil {
		return nil, fmt.Errorf("updating CNINode %s: %w", node.Name, err)
	}
	return cni, nil
}

func owner(node *corev1.Node) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}
}

func specOf(instance string, class *eksv1.NodeClass, need Need) v1alpha1.CNINodeSpec {
	wanted := need.Pods + warmAddresses
	if !need.SinglesOnly {
		wanted = (wanted + prefixSize - 1) / prefixSize * prefixSize // so that not every pod changes it
	}
	return v1alpha1.CNINodeSpec{
		InstanceID: instance, Addresses: int32(min(wanted, max(need.MaxPods, 0))), MaxPods: int32(need.MaxPods),
		SNATPolicy: string(class.Spec.SNATPolicy), NetworkPolicy: string(class.Spec.NetworkPolicy),
		NetworkPolicyEventLogs: string(class.Spec.NetworkPolicyEventLogs),
	}
}

func setStatus(status *v1alpha1.CNINodeStatus, state *known) {
	usable := state.usable()
	status.Interfaces = nil
	status.AddressCount = int32(count(usable))
	for _, i := range usable {
		subnet := state.subnets[i.SubnetID]
		out := v1alpha1.Interface{
			ID: i.ID, MAC: i.MAC, DeviceIndex: int32(i.DeviceIndex), NetworkCardIndex: int32(i.NetworkCardIndex), SubnetID: i.SubnetID,
			SubnetCIDR: subnet.CIDR.String(), Address: i.Address.String(), Gateway: subnet.CIDR.Masked().Addr().Next().String(),
		}
		for _, p := range i.Prefixes {
			out.Prefixes = append(out.Prefixes, p.String())
		}
		for _, a := range i.Addresses {
			out.Addresses = append(out.Addresses, a.String())
		}
		status.Interfaces = append(status.Interfaces, out)
		if i.DeviceIndex == 0 {
			status.VPCCIDRs = texts(subnet.VPC)
		}
	}
}

func texts(prefixes []netip.Prefix) []string {
	out := make([]string, len(prefixes))
	for n, p := range prefixes {
		out[n] = p.String()
	}
	slices.Sort(out)
	return out
}

func condition(problem error) metav1.Condition {
	if problem == nil {
		return metav1.Condition{Type: AddressesAvailable, Status: metav1.ConditionTrue, Reason: AddressesAvailable}
	}
	reason := compute.CodeOf(problem)
	if reason == "" {
		reason = "AssignmentFailed"
	}
	reason = strings.NewReplacer(".", "", "-", "").Replace(reason)
	return metav1.Condition{Type: AddressesAvailable, Status: metav1.ConditionFalse, Reason: reason, Message: problem.Error()}
}
