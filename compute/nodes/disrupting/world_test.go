package disrupting

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	karpenterstate "sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/state"
)

// world is a cluster without an API server: a fake client for what the
// controller writes, and a picture fed from it.
type world struct {
	*testing.T
	ctx      context.Context
	kube     client.Client
	clock    *testclock.FakeClock
	picture  *state.Picture
	types    []*cloudprovider.InstanceType
	recorder *eventList
	// nominating is set where the scheduler follows nominations.
	nominating bool
	*Controller
}

// eventList keeps events for tests to look at.
type eventList struct {
	mu   sync.Mutex
	list []events.Event
}

func (l *eventList) Publish(list ...events.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, list...)
}

func newWorld(t *testing.T, budget string) *world {
	t.Helper()
	kube := interceptor.NewClient(fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithStatusSubresource(&karpv1.NodeClaim{}, &karpv1.NodePool{}, &corev1.Node{}).Build(),
		interceptor.Funcs{SubResourceCreate: bind})
	w := &world{T: t, ctx: context.Background(), kube: kube, clock: testclock.NewFakeClock(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)), recorder: &eventList{}}
	w.types = []*cloudprovider.InstanceType{instanceType("small", "2", "8Gi", 0.1), instanceType("large", "8", "32Gi", 0.4)}
	pool := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "default", UID: "pool"}}
	after := time.Duration(0)
	pool.Spec.Disruption = karpv1.Disruption{ConsolidationPolicy: karpv1.ConsolidationPolicyWhenEmptyOrUnderutilized, ConsolidateAfter: karpv1.NillableDuration{Duration: &after},
		Budgets: []karpv1.Budget{{Nodes: budget}}}
	pool.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: "eks.amazonaws.com", Kind: "NodeClass", Name: "default"}
	for _, condition := range []string{karpv1.ConditionTypeValidationSucceeded, karpv1.ConditionTypeNodeClassReady} {
		pool.StatusConditions().SetTrue(condition)
	}
	w.must(kube.Create(w.ctx, pool))
	w.restart()
	return w
}

// bind is what an API server makes of a binding: its target is the pod's node, which must be closed to others here.
func bind(ctx context.Context, kube client.Client, subresource string, object, binding client.Object, options ...client.SubResourceCreateOption) error {
	if subresource != "binding" {
		return kube.SubResource(subresource).Create(ctx, object, binding, options...)
	}
	node, pod := &corev1.Node{}, &corev1.Pod{}
	if err := kube.Get(ctx, types.NamespacedName{Name: binding.(*corev1.Binding).Target.Name}, node); err != nil {
		return err
	}
	if !state.Closed(node) {
		return fmt.Errorf("node %s is open", node.Name)
	}
	if err := kube.Get(ctx, client.ObjectKeyFromObject(object), pod); err != nil {
		return err
	}
	pod.Spec.NodeName = node.Name
	return kube.Update(ctx, pod)
}

// restart is the process killed and started again: all that it had in memory is gone.
func (w *world) restart() {
	w.picture = state.NewPicture()
	cluster := karpenterstate.NewCluster(w.clock, w.kube, struct{ cloudprovider.CloudProvider }{})
	w.Controller = NewController(Parts{Kube: w.kube, Picture: w.picture, Synced: func() bool { return true }, Cluster: cluster, Types: w, Recorder: w.recorder,
		Clock: w.clock, MaxTypes: 60})
	if w.nominating {
		w.Nominate = w.kube
	}
	w.see()
}

func (w *world) GetInstanceTypes(context.Context, *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	return w.types, nil
}

func instanceType(name, cpu, memory string, price float64) *cloudprovider.InstanceType {
	return &cloudprovider.InstanceType{Name: name,
		Requirements: scheduling.NewRequirements(scheduling.NewRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, name),
			scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, "a"), scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "on-demand")),
		Offerings: cloudprovider.Offerings{{Available: true, Price: price, Requirements: scheduling.NewRequirements(
			scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, "a"), scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "on-demand"))}},
		Capacity: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourcePods: resource.MustParse("50")},
		Overhead: &cloudprovider.InstanceTypeOverhead{}}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// node adds a node that runs, with its claim.
func (w *world) node(name, typ string) {
	w.Helper()
	w.must(w.kube.Create(w.ctx, &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "claim-" + name, UID: types.UID("claim-" + name), CreationTimestamp: metav1.NewTime(w.clock.Now().Add(-time.Hour)),
		Labels: map[string]string{karpv1.NodePoolLabelKey: "default", karpv1.CapacityTypeLabelKey: "on-demand"}}}))
	w.join("claim-"+name, name, typ)
}

// join makes a claim's node ready.
func (w *world) join(claimName, name, typ string) {
	w.Helper()
	claim := &karpv1.NodeClaim{}
	w.must(w.kube.Get(w.ctx, types.NamespacedName{Name: claimName}, claim))
	claim.Status.ProviderID, claim.Status.NodeName = "aws:///a/"+name, name
	for _, c := range []string{karpv1.ConditionTypeLaunched, karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized, karpv1.ConditionTypeConsolidatable} {
		claim.StatusConditions().SetTrue(c)
	}
	w.must(w.kube.Status().Update(w.ctx, claim))
	claim.Finalizers = []string{karpv1.TerminationFinalizer}
	w.must(w.kube.Update(w.ctx, claim))
	it := w.types[slices.IndexFunc(w.types, func(t *cloudprovider.InstanceType) bool { return t.Name == typ })]
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{corev1.LabelHostname: name, corev1.LabelInstanceTypeStable: typ, corev1.LabelTopologyZone: "a",
		karpv1.CapacityTypeLabelKey: "on-demand", karpv1.NodePoolLabelKey: "default", karpv1.NodeRegisteredLabelKey: "true", karpv1.NodeInitializedLabelKey: "true"}}}
	node.Spec.ProviderID = claim.Status.ProviderID
	node.Spec.Taints = []corev1.Taint{state.ClosedTaint}
	node.Status = corev1.NodeStatus{Capacity: it.Capacity, Allocatable: it.Capacity, Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}
	w.must(w.kube.Create(w.ctx, node))
}

func (w *world) pods(node string, n int, app, cpu string) {
	w.Helper()
	for i := range n {
		w.must(w.kube.Create(w.ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("%s-%s-%d", app, node, i), UID: types.UID(fmt.Sprintf("%s-%s-%d", app, node, i)),
			Labels: map[string]string{"app": app}, OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app, UID: "rs", Controller: new(true)}}},
			Spec:   corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning}}))
	}
}

// bare puts a pod on a node that nothing would start again.
func (w *world) bare(node string) {
	w.Helper()
	w.must(w.kube.Create(w.ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "bare-" + node, UID: types.UID("bare-" + node)},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c"}}}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}))
}

func (w *world) pdb(app string, allowed int32) {
	w.Helper()
	w.must(w.kube.Create(w.ctx, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: app},
		Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}, Status: policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed}}))
}

// see brings the picture up to date, as informers would.
func (w *world) see() {
	w.Helper()
	claims, nodes, pods, pools := &karpv1.NodeClaimList{}, &corev1.NodeList{}, &corev1.PodList{}, &karpv1.NodePoolList{}
	for _, list := range []client.ObjectList{claims, nodes, pods, pools} {
		w.must(w.kube.List(w.ctx, list))
	}
	known := map[string]bool{}
	for i := range claims.Items {
		w.picture.Set(&claims.Items[i])
		known["claim/"+claims.Items[i].Name] = true
	}
	for i := range nodes.Items {
		w.picture.Set(&nodes.Items[i])
		known["node/"+nodes.Items[i].Name] = true
	}
	for i := range pods.Items {
		w.picture.Set(&pods.Items[i])
	}
	for i := range pools.Items {
		w.picture.Set(&pools.Items[i])
	}
	for _, m := range w.picture.Machines() {
		if m.Claim != nil && !known["claim/"+m.Claim.Name] {
			w.picture.Delete(m.Claim)
		}
		if m.Node != nil && !known["node/"+m.Node.Name] {
			w.picture.Delete(m.Node)
		}
	}
	w.Changed(nil, &corev1.Node{})
}

// turn lets time pass and the controller look once.
func (w *world) turn() {
	w.Helper()
	w.see()
	w.clock.Step(15 * time.Second)
	if _, err := w.Reconcile(w.ctx); err != nil {
		w.Fatal(err)
	}
}

func (w *world) claims() map[string]*karpv1.NodeClaim {
	w.Helper()
	list := &karpv1.NodeClaimList{}
	w.must(w.kube.List(w.ctx, list))
	out := map[string]*karpv1.NodeClaim{}
	for i := range list.Items {
		out[list.Items[i].Name] = &list.Items[i]
	}
	return out
}

// stays tells whether a claim is there and not being deleted.
func (w *world) stays(claim string) bool {
	w.Helper()
	c := w.claims()[claim]
	return c != nil && c.DeletionTimestamp.IsZero()
}

// fresh lists the claims that the controller made and did not take back.
func (w *world) fresh() []string {
	w.Helper()
	var out []string
	for name, claim := range w.claims() {
		if strings.HasPrefix(name, "default-") && claim.DeletionTimestamp.IsZero() {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) tainted(node string) bool {
	w.Helper()
	n := &corev1.Node{}
	w.must(w.kube.Get(w.ctx, types.NamespacedName{Name: node}, n))
	return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&karpv1.DisruptedNoScheduleTaint) })
}

// expectUntouched checks that nothing of a step is left on a node.
func (w *world) expectUntouched(node string) {
	w.Helper()
	claim := w.claims()["claim-"+node]
	switch {
	case claim == nil:
		w.Fatalf("the claim of %s is gone", node)
	case w.tainted(node):
		w.Errorf("%s is tainted", node)
	case claim.Annotations[survey.AnnotationStep] != "":
		w.Errorf("the claim of %s still says %s", node, claim.Annotations[survey.AnnotationStep])
	case claim.StatusConditions().Get(karpv1.ConditionTypeDisruptionReason) != nil:
		w.Errorf("the claim of %s still has its condition", node)
	}
}

// finish lets nodes go whose claims are gone; pods move to nodes with room.
func (w *world) finish() (moved int) {
	w.Helper()
	claims := w.claims()
	nodes, pods := &corev1.NodeList{}, &corev1.PodList{}
	w.must(w.kube.List(w.ctx, nodes))
	w.must(w.kube.List(w.ctx, pods))
	free := map[string]int64{}
	owner := map[string]string{}
	for _, c := range claims {
		if c.DeletionTimestamp.IsZero() {
			owner[c.Status.NodeName] = c.Name
			continue
		}
		c.Finalizers = nil
		w.must(w.kube.Update(w.ctx, c))
	}
	for i := range nodes.Items {
		if n := &nodes.Items[i]; owner[n.Name] != "" && !w.tainted(n.Name) {
			free[n.Name] = n.Status.Allocatable.Cpu().MilliValue()
		}
	}
	for i := range pods.Items {
		free[pods.Items[i].Spec.NodeName] -= pods.Items[i].Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
	}
	for i := range nodes.Items {
		if owner[nodes.Items[i].Name] == "" {
			w.must(w.kube.Delete(w.ctx, &nodes.Items[i]))
			delete(free, nodes.Items[i].Name)
		}
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		if owner[p.Spec.NodeName] != "" {
			continue
		}
		moved++
		cpu := p.Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
		to := ""
		for name, room := range free {
			if room >= cpu && owner[name] != "" && (to == "" || name < to) {
				to = name
			}
		}
		if to == "" {
			w.Fatalf("pod %s finds no place", p.Name)
		}
		free[to] -= cpu
		p.Spec.NodeName = to
		w.must(w.kube.Update(w.ctx, p))
	}
	return moved
}

func (w *world) expectEvent(reason, message string) {
	w.Helper()
	if !slices.ContainsFunc(w.recorder.list, func(e events.Event) bool { return e.Reason == reason && e.Message == message }) {
		var said []string
		for _, e := range w.recorder.list {
			said = append(said, e.Reason+": "+e.Message)
		}
		w.Errorf("no event %s %q among %q", reason, message, said)
	}
}
