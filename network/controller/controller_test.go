package controller

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/api/eks/v1alpha1"
	"github.com/automode-dev/automode/compute"
)

// memoryEC2 is an EC2 with one instance.
type memoryEC2 struct {
	EC2        // what the tests do not call
	interfaces []Interface
	next       netip.Addr
	fragmented bool
	err        error
	calls      []string
}

func (m *memoryEC2) Interfaces(context.Context, string) ([]Interface, error) {
	return m.interfaces, m.err
}

func (m *memoryEC2) Subnet(context.Context, string) (Subnet, error) {
	return Subnet{CIDR: netip.MustParsePrefix("10.0.0.0/19"), VPC: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}}, nil
}

func (m *memoryEC2) Limits(context.Context, string) (Limits, error) { return Limits{3, 10}, nil }

func (m *memoryEC2) Assign(_ context.Context, id string, prefixes, addresses int) (ranges []netip.Prefix, err error) {
	m.calls = append(m.calls, fmt.Sprintf("assign %s %d %d", id, prefixes, addresses))
	if m.fragmented && prefixes > 0 {
		return nil, &compute.Failure{Code: "InsufficientCidrBlocks", Message: "no free block"}
	}
	if m.err != nil {
		return nil, m.err
	}
	for range prefixes {
		ranges = append(ranges, netip.PrefixFrom(m.next, 28))
		for range prefixSize {
			m.next = m.next.Next()
		}
	}
	for range addresses {
		ranges = append(ranges, netip.PrefixFrom(m.next, 32))
		m.next = m.next.Next()
	}
	return ranges, nil
}

func (m *memoryEC2) Unassign(_ context.Context, id string, r netip.Prefix) error {
	m.calls = append(m.calls, fmt.Sprintf("unassign %s %s", id, r))
	return nil
}

type setup struct {
	t     *testing.T
	ec2   *memoryEC2
	clock *testclock.FakeClock
	*Controller
}

func newSetup(t *testing.T, objects ...client.Object) *setup {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, eksv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	kube := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.CNINode{}).WithObjects(objects...).
		WithIndex(&corev1.Pod{}, podNodeIndex, func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).Build()
	s := &setup{t: t, clock: testclock.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	s.ec2 = &memoryEC2{next: netip.MustParseAddr("10.0.0.32"), interfaces: []Interface{{
		ID: "eni-0", MAC: "02:00:00:00:00:01", SubnetID: "subnet-1", Address: netip.MustParseAddr("10.0.0.5"),
		Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.16/28")},
	}}}
	s.Controller = New(kube, s.ec2, record.NewFakeRecorder(10), s.clock)
	return s
}

func (s *setup) reconcile() reconcile.Result {
	s.t.Helper()
	result, err := s.Reconcile(context.Background(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "i-1"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return result
}

func (s *setup) cniNode() *v1alpha1.CNINode {
	s.t.Helper()
	var cni v1alpha1.CNINode
	if err := s.Client.Get(context.Background(), client.ObjectKey{Name: "i-1"}, &cni); err != nil {
		s.t.Fatal(err)
	}
	return &cni
}

func node() *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "i-1", UID: "u", Labels: map[string]string{
			computeTypeLabel: "auto", nodeClassLabel: "default", corev1.LabelInstanceTypeStable: "c6a.large"}},
		Spec:   corev1.NodeSpec{ProviderID: "aws:///us-east-1a/i-1"},
		Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("27")}},
	}
}

func pod(n int, address string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprint("p", n)}, Spec: corev1.PodSpec{NodeName: "i-1"}}
	if address != "" {
		p.Status.PodIPs = []corev1.PodIP{{IP: address}}
	}
	return p
}

// crowd is pods 1 to n, the first two with addresses. Nine need a second prefix, of four it is released.
func crowd(n int) []client.Object {
	list := []client.Object{pod(1, "10.0.0.16"), pod(2, "10.0.0.17")}
	for i := 3; i <= n; i++ {
		list = append(list, pod(i, ""))
	}
	return list
}

// leave deletes the pods after the first so many.
func (s *setup) leave(n int) {
	for i := n + 1; i <= 9; i++ {
		_ = s.Client.Delete(context.Background(), pod(i, ""))
	}
}

func TestNodeGetsItsCNINode(t *testing.T) {
	class := &eksv1.NodeClass{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: eksv1.NodeClassSpec{SNATPolicy: eksv1.SNATDisabled}}
	s := newSetup(t, append(crowd(9), node(), class)...)
	s.reconcile()
	cni := s.cniNode()
	if cni.Spec.SNATPolicy != "Disabled" || cni.Spec.InstanceID != "i-1" || cni.OwnerReferences[0].Name != "i-1" {
		t.Errorf("unexpected CNINode %+v", cni)
	}
	want := []v1alpha1.Interface{{
		ID: "eni-0", MAC: "02:00:00:00:00:01", SubnetID: "subnet-1", SubnetCIDR: "10.0.0.0/19", Address: "10.0.0.5", Gateway: "10.0.0.1",
		Prefixes: []string{"10.0.0.16/28", "10.0.0.32/28"},
	}}
	if diff := cmp.Diff(want, cni.Status.Interfaces); diff != "" {
		t.Error(diff)
	}
	if cni.Status.AddressCount != 32 || !meta.IsStatusConditionTrue(cni.Status.Conditions, AddressesAvailable) {
		t.Errorf("status %+v", cni.Status)
	}
	before := cni.ResourceVersion
	s.reconcile()
	if after := s.cniNode().ResourceVersion; after != before || len(s.ec2.calls) != 1 {
		t.Errorf("a second reconciliation wrote or called: %s -> %s, %v", before, after, s.ec2.calls)
	}
}

func TestNodeWithoutItsTypeWaits(t *testing.T) {
	fresh := node()
	delete(fresh.Labels, corev1.LabelInstanceTypeStable)
	s := newSetup(t, fresh, pod(1, ""))
	if result := s.reconcile(); result != (reconcile.Result{}) || len(s.ec2.calls) != 0 {
		t.Errorf("result %+v, calls %v", result, s.ec2.calls)
	}
	if !nodeChanges().Update(event.UpdateEvent{ObjectOld: fresh, ObjectNew: node()}) {
		t.Error("the label does not wake the controller")
	}
}

func TestUnusedPrefixIsWithdrawnBeforeItIsReleased(t *testing.T) {
	s := newSetup(t, append(crowd(9), node())...)
	s.reconcile()
	s.leave(4)
	result := s.reconcile()
	if got := s.cniNode().Status.Interfaces[0].Prefixes; len(got) != 1 || result.RequeueAfter != withdrawnFor {
		t.Fatalf("prefixes %v, again after %s", got, result.RequeueAfter)
	}
	if len(s.ec2.calls) != 1 {
		t.Fatalf("released too early: %v", s.ec2.calls)
	}
	s.clock.Step(withdrawnFor)
	s.reconcile()
	if diff := cmp.Diff([]string{"assign eni-0 1 0", "unassign eni-0 10.0.0.32/28"}, s.ec2.calls); diff != "" {
		t.Error(diff)
	}
}

func TestWithdrawnPrefixComesBack(t *testing.T) {
	s := newSetup(t, append(crowd(9), node())...)
	s.reconcile()
	for name, change := range map[string]func(){
		"a pod took an address": func() { s.create(pod(5, "10.0.0.33")) },
		"more pods": func() {
			for i := 5; i <= 9; i++ {
				s.create(pod(i, ""))
			}
		},
	} {
		s.leave(4)
		s.reconcile()
		change()
		s.clock.Step(withdrawnFor)
		s.reconcile()
		if got := s.cniNode().Status.Interfaces[0].Prefixes; len(got) != 2 {
			t.Errorf("%s: prefixes %v", name, got)
		}
	}
	if len(s.ec2.calls) != 1 {
		t.Errorf("calls %v", s.ec2.calls)
	}
}

func (s *setup) create(o client.Object) {
	if err := s.Client.Create(context.Background(), o); err != nil {
		s.t.Fatal(err)
	}
}

func TestFragmentedSubnetGetsSingleAddresses(t *testing.T) {
	s := newSetup(t, node(), pod(1, ""))
	s.ec2.fragmented = true
	for n := 2; n <= 16; n++ {
		s.create(pod(n, ""))
	}
	s.reconcile()
	if got := s.cniNode().Status.Interfaces[0]; len(got.Prefixes) != 1 || len(got.Addresses) != 1 {
		t.Errorf("prefixes %v, addresses %v", got.Prefixes, got.Addresses)
	}
}

func TestFailureIsInTheCondition(t *testing.T) {
	s := newSetup(t, append(crowd(9), node())...)
	s.reconcileState()
	s.ec2.err = &compute.Failure{Kind: compute.Unauthorized, Code: "UnauthorizedOperation", Message: "not you"}
	result := s.reconcile()
	condition := meta.FindStatusCondition(s.cniNode().Status.Conditions, AddressesAvailable)
	if condition == nil || condition.Reason != "UnauthorizedOperation" || result.RequeueAfter != retryAfter {
		t.Errorf("condition %+v, again after %s", condition, result.RequeueAfter)
	}
}

// reconcileState makes the controller know the node's interfaces without assigning anything.
func (s *setup) reconcileState() {
	if err := s.refresh(context.Background(), s.state("i-1"), "i-1"); err != nil {
		s.t.Fatal(err)
	}
}

func TestForeignNodesAreLeftAlone(t *testing.T) {
	foreign := node()
	foreign.Labels = nil
	s := newSetup(t, foreign)
	s.reconcile()
	var list v1alpha1.CNINodeList
	if err := s.Client.List(context.Background(), &list); err != nil || len(list.Items) != 0 {
		t.Errorf("made %v, %v", list.Items, err)
	}
}

func TestOnlyPlacedPodsCount(t *testing.T) {
	waiting, placed := pod(1, ""), pod(1, "")
	waiting.Spec.NodeName = ""
	if got := nodeOfPod(context.Background(), waiting); len(got) != 0 {
		t.Errorf("a pod without a node leads to %v", got)
	}
	if got := nodeOfPod(context.Background(), placed); len(got) != 1 || got[0].Name != "i-1" {
		t.Errorf("got %v", got)
	}
	changes := podChanges()
	hostNetwork, done := pod(1, ""), pod(1, "")
	hostNetwork.Spec.HostNetwork, done.Status.Phase = true, corev1.PodSucceeded
	for name, c := range map[string]struct {
		before, after *corev1.Pod
		want          bool
	}{
		"placed": {waiting, placed, true}, "waiting": {waiting, waiting, false}, "unchanged": {placed, placed, false},
		"finished": {placed, done, true}, "on the host's network": {waiting, hostNetwork, false},
	} {
		if got := changes.Update(event.UpdateEvent{ObjectOld: c.before, ObjectNew: c.after}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
