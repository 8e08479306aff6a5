package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
)

const (
	// describeEvery is how old the controller's knowledge of a node's interfaces may be while it changes nothing itself.
	describeEvery = 10 * time.Minute
	// withdrawnFor is how long a range is kept from new pods before EC2 takes it: longer than an address cools down on the
	// node, and than the node takes to learn of it.
	withdrawnFor = 60 * time.Second
	// withoutPrefixes is how long single addresses are used after a subnet had no whole prefix.
	withoutPrefixes = 120 * time.Second
	// retryAfter is the wait after a failed assignment.
	retryAfter = 15 * time.Second
)

const (
	computeTypeLabel = "eks.amazonaws.com/compute-type"
	nodeClassLabel   = "eks.amazonaws.com/nodeclass"
)

// Controller keeps the CNINode of every node of Auto Mode.
type Controller struct {
	Client client.Client
	EC2    EC2
	Events record.EventRecorder
	Clock  clock.Clock

	mu    sync.Mutex
	nodes map[string]*known
}

// New returns the controller.
func New(c client.Client, ec2 EC2, events record.EventRecorder, clock clock.Clock) *Controller {
	return &Controller{Client: c, EC2: ec2, Events: events, Clock: clock, nodes: map[string]*known{}}
}

// Reconcile brings the addresses of one node to what its pods need.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var node corev1.Node
	if err := c.Client.Get(ctx, request.NamespacedName, &node); err != nil {
		if apierrors.IsNotFound(err) {
			return reconcile.Result{}, c.forget(ctx, request.Name)
		}
		return reconcile.Result{}, fmt.Errorf("getting node %s: %w", request.Name, err)
	}
	instance, ok := instanceOf(&node)
	if !ok || node.Labels[computeTypeLabel] != "auto" || !node.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	if node.Labels[corev1.LabelInstanceTypeStable] == "" {
		return reconcile.Result{}, nil // a new node: the label comes from its NodeClaim, and with it the next call
	}
	state := c.state(node.Name)
	if err := c.describe(ctx, state, instance); err != nil {
		return reconcile.Result{}, err
	}
	if len(state.interfaces) == 0 {
		return reconcile.Result{RequeueAfter: retryAfter}, nil // not in EC2 (yet, or any more)
	}
	return c.reconcile(ctx, &node, instance, state)
}

func (c *Controller) reconcile(ctx context.Context, node *corev1.Node, instance string, state *known) (reconcile.Result, error) {
	class, err := c.nodeClass(ctx, node)
	if err != nil {
		return reconcile.Result{}, err
	}
	need, err := c.need(ctx, node, class, state)
	if err != nil {
		return reconcile.Result{}, err
	}
	wait, problem := c.walk(ctx, node, instance, state, need)
	if err := c.write(ctx, node, instance, class, need, state, problem); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: wait}, nil
}

// walk takes steps until none is left or one has to wait. A failure of the cloud is the second result: it goes into the
// CNINode's condition.
func (c *Controller) walk(ctx context.Context, node *corev1.Node, instance string, state *known, need Need) (time.Duration, error) {
	for range need.Limits.Interfaces*need.Limits.AddressesPerInterface + 1 {
		need.Interfaces = state.usable()
		need.SinglesOnly = need.SinglesOnly || c.Clock.Since(state.fragmented) < withoutPrefixes
		step := Next(need)
		switch {
		case step == Step{}:
			return c.release(ctx, state, need)
		case step.Release.IsValid():
			state.withdrawn[step.Release] = c.Clock.Now()
			continue
		case state.restore():
			continue // a range that was about to go is needed again
		}
		if err := c.grow(ctx, node, instance, state, step); err != nil {
			if compute.CodeOf(err) == "InsufficientCidrBlocks" && !need.SinglesOnly {
				state.fragmented = c.Clock.Now()
				continue
			}
			c.Events.Event(node, corev1.EventTypeWarning, "AddressAssignmentFailed", err.Error())
			return retryAfter, err
		}
	}
	return describeEvery, nil
}

// grow takes a step and adds what EC2 answered to what is known: asking EC2 again might show the state of before.
func (c *Controller) grow(ctx context.Context, node *corev1.Node, instance string, state *known, step Step) error {
	if step.NewInterface {
		primary := state.interfaces[0]
		added, err := c.EC2.AddInterface(ctx, NewInterface{
			InstanceID: instance, NodeName: node.Name, DeviceIndex: nextDevice(state.interfaces),
			SubnetID: primary.SubnetID, Groups: primary.Groups, Prefixes: step.Prefixes, Addresses: step.Addresses,
		})
		if err != nil {
			return err
		}
		state.interfaces = append(state.interfaces, added)
		return nil
	}
	ranges, err := c.EC2.Assign(ctx, step.Interface, step.Prefixes, step.Addresses)
	if err != nil {
		return err
	}
	state.change(step.Interface, func(i *Interface) {
		for _, r := range ranges {
			i.add(r)
		}
	})
	return nil
}

func nextDevice(interfaces []Interface) int {
	for index := 0; ; index++ {
		if !slices.ContainsFunc(interfaces, func(i Interface) bool { return i.DeviceIndex == index }) {
			return index
		}
	}
}

// release gives ranges back that have been withdrawn for long enough and still have no pod. It returns when to look again.
func (c *Controller) release(ctx context.Context, state *known, need Need) (time.Duration, error) {
	wait := describeEvery
	for _, i := range state.interfaces {
		for _, r := range i.Ranges() {
			since, ok := state.withdrawn[r]
			if !ok {
				continue
			}
			if left := withdrawnFor - c.Clock.Since(since); left > 0 {
				wait = min(wait, left)
				continue
			}
			delete(state.withdrawn, r)
			if occupied(r, need.InUse) {
				continue // a pod got an address of it before the node heard: it stays
			}
			if err := c.EC2.Unassign(ctx, i.ID, r); err != nil {
				return retryAfter, err
			}
			state.change(i.ID, func(i *Interface) { i.remove(r) })
		}
	}
	return wait, nil
}

// need gathers what the decision depends on.
func (c *Controller) need(ctx context.Context, node *corev1.Node, class *eksv1.NodeClass, state *known) (Need, error) {
	limits, err := c.EC2.Limits(ctx, node.Labels[corev1.LabelInstanceTypeStable])
	if err != nil {
		return Need{}, err
	}
	var pods corev1.PodList
	if err := c.Client.List(ctx, &pods, client.MatchingFields{podNodeIndex: node.Name}); err != nil {
		return Need{}, fmt.Errorf("listing the pods of node %s: %w", node.Name, err)
	}
	need := Need{
		MaxPods: int(node.Status.Allocatable.Pods().Value()), InUse: map[netip.Addr]bool{}, Limits: limits,
		Interfaces: state.interfaces, SinglesOnly: class.Spec.AdvancedNetworking != nil && class.Spec.AdvancedNetworking.IPv4PrefixSize == "32",
	}
	for _, pod := range pods.Items {
		if pod.Spec.HostNetwork || finished(&pod) {
			continue
		}
		need.Pods++
		for _, ip := range pod.Status.PodIPs {
			if address, err := netip.ParseAddr(ip.IP); err == nil {
				need.InUse[address] = true
			}
		}
	}
	return need, nil
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// nodeClass returns the node's class; an empty one where there is none.
func (c *Controller) nodeClass(ctx context.Context, node *corev1.Node) (*eksv1.NodeClass, error) {
	class := &eksv1.NodeClass{}
	name := node.Labels[nodeClassLabel]
	if name == "" {
		return class, nil
	}
	err := c.Client.Get(ctx, client.ObjectKey{Name: name}, class)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("getting NodeClass %s: %w", name, err)
	}
	return class, nil
}
