package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/nodes/builtin"
	"github.com/automode-dev/automode/compute/nodes/bulletin"
	"github.com/automode-dev/automode/compute/plan"
)

// world builds the objects of a cluster from lines:
//
//	pool NAME [budget=N] [after=D] [cpu=LIMIT] [used=CPU] [types=TYPE,TYPE…] [static=REPLICAS] [unready]
//	node NAME POOL TYPE ZONE CAPACITY [drifted] [young] [kept] [starting] [of=TYPE,TYPE…]
//	pods NAME NODE|- COUNT CPU MEMORY [bare] [kept] [gpu=N] [nominated=NODE]
//	pdb NAME APP ALLOWED
//	event KIND NAME REASON MESSAGE
//	controllers disruption|shortages YAML
//
// Nodes have their claims, launched an age ago, unless they are starting.
type world struct {
	*testing.T
	objects []client.Object
	types   map[string]*cloudprovider.InstanceType
}

// newWorld has the default NodeClass in three zones of us-east-1.
func newWorld(t *testing.T, lines string) []client.Object {
	t.Helper()
	c := catalog.Default()
	subnets, err := plan.Subnets(c, "us-east-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	class := builtin.NodeClass(builtin.Settings{})
	class.Status.Subnets = subnets
	w := &world{T: t, types: map[string]*cloudprovider.InstanceType{}}
	for _, it := range instancetypes.Assemble(plan.Facts(c, "us-east-1"), class, func(string, string, string) bool { return false }) {
		w.types[it.Name] = it
	}
	w.add("eks.amazonaws.com/v1", "NodeClass", class)
	w.add("v1", "Namespace", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	build := map[string]func([]string, options){"pool": w.pool, "node": w.node, "pods": w.pods, "pdb": w.pdb, "event": w.event, "controllers": w.controllers}
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if build[words[0]] == nil {
			t.Fatalf("what is %q", line)
		}
		build[words[0]](words[1:], words)
	}
	return w.objects
}

// options are the words of a line, of which some have values.
type options []string

func (o options) has(name string) bool { return slices.Contains(o, name) }

func (o options) value(name, otherwise string) string {
	for _, word := range o {
		if value, ok := strings.CutPrefix(word, name+"="); ok {
			return value
		}
	}
	return otherwise
}

var long = metav1.NewTime(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))

func (w *world) add(apiVersion, kind string, o client.Object) {
	o.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(apiVersion, kind))
	w.objects = append(w.objects, o)
}

func (w *world) pool(words []string, o options) {
	pool := builtin.NodePool(builtin.GeneralPurpose)
	pool.Name = words[0]
	pool.Spec.Disruption.Budgets = []karpv1.Budget{{Nodes: o.value("budget", "100%")}}
	pool.Spec.Disruption.ConsolidateAfter = karpv1.MustParseNillableDuration(o.value("after", "30s"))
	if replicas := o.value("static", ""); replicas != "" {
		n, err := strconv.ParseInt(replicas, 10, 64)
		if err != nil {
			w.Fatal(err)
		}
		pool.Spec.Replicas = &n
	}
	if cpu := o.value("cpu", ""); cpu != "" {
		pool.Spec.Limits = karpv1.Limits{corev1.ResourceCPU: resource.MustParse(cpu)}
		pool.Status.Resources = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(o.value("used", "0"))}
	}
	if list := o.value("types", ""); list != "" {
		pool.Spec.Template.Spec.Requirements = append(pool.Spec.Template.Spec.Requirements, karpv1.NodeSelectorRequirementWithMinValues{
			Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: strings.Split(list, ",")})
	}
	for _, condition := range []string{karpv1.ConditionTypeValidationSucceeded, karpv1.ConditionTypeNodeClassReady} {
		pool.StatusConditions().SetTrue(condition)
	}
	if o.has("unready") {
		pool.StatusConditions().SetFalse(karpv1.ConditionTypeNodeClassReady, "NodeClassNotReady", "no subnet matches")
	}
	w.add("karpenter.sh/v1", "NodePool", pool)
}

func (w *world) node(words []string, o options) {
	name, pool, typ, zone, capacity := words[0], words[1], words[2], words[3], words[4]
	it := w.types[typ]
	if it == nil {
		w.Fatalf("unknown type %q", typ)
	}
	labels := map[string]string{karpv1.NodePoolLabelKey: pool, corev1.LabelInstanceTypeStable: typ, corev1.LabelTopologyZone: zone, corev1.LabelHostname: name,
		karpv1.CapacityTypeLabelKey: capacity, corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux"}
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "claim-" + name, UID: types.UID("claim-" + name), CreationTimestamp: long, Labels: labels}}
	claim.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn,
		Values: strings.Split(o.value("of", typ), ",")}}
	claim.Status.ProviderID, claim.Status.Capacity, claim.Status.Allocatable = "aws:///"+zone+"/"+name, it.Capacity, it.Allocatable()
	conditions := claim.StatusConditions()
	conditions.SetTrue(karpv1.ConditionTypeLaunched)
	if o.has("starting") {
		conditions.SetUnknownWithReason(karpv1.ConditionTypeRegistered, "NodeNotFound", "Node not registered with cluster")
		w.add("karpenter.sh/v1", "NodeClaim", claim)
		return
	}
	for _, condition := range []string{karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized, karpv1.ConditionTypeConsolidatable} {
		conditions.SetTrue(condition)
	}
	if o.has("young") {
		conditions.SetFalse(karpv1.ConditionTypeConsolidatable, "NotConsolidatable", "pods came a moment ago")
	}
	if o.has("drifted") {
		conditions.SetTrueWithReason(karpv1.ConditionTypeDrifted, "NodePoolDrifted", "NodePoolDrifted")
	}
	w.add("karpenter.sh/v1", "NodeClaim", claim)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: long, Labels: maps.Clone(labels)}}
	node.Labels[karpv1.NodeRegisteredLabelKey], node.Labels[karpv1.NodeInitializedLabelKey] = "true", "true"
	node.Labels[corev1.LabelTopologyRegion] = "us-east-1"
	if o.has("kept") {
		node.Annotations = map[string]string{karpv1.DoNotDisruptAnnotationKey: "true"}
	}
	node.Spec.ProviderID = claim.Status.ProviderID
	node.Status = corev1.NodeStatus{Capacity: it.Capacity, Allocatable: it.Allocatable(), Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}
	w.add("v1", "Node", node)
}

func (w *world) pods(words []string, o options) {
	app, node, cpu, memory := words[0], words[1], words[3], words[4]
	n, err := strconv.Atoi(words[2])
	if err != nil {
		w.Fatal(err)
	}
	for i := range n {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("%s-%d", app, i), UID: types.UID(fmt.Sprintf("%s-%s-%d", app, node, i)),
			Labels: map[string]string{"app": app, "pod-template-hash": "5d4f8"}}}
		request := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
		if gpus := o.value("gpu", ""); gpus != "" {
			request["nvidia.com/gpu"] = resource.MustParse(gpus)
		}
		pod.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: request}}}
		controller := true
		if !o.has("bare") {
			pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app + "-5d4f8", UID: types.UID(app), Controller: &controller}}
		}
		if o.has("kept") {
			pod.Annotations = map[string]string{karpv1.DoNotDisruptAnnotationKey: "true"}
		}
		pod.Status.NominatedNodeName = o.value("nominated", "")
		pod.Status.Phase = corev1.PodPending
		if node == "-" {
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
		} else {
			pod.Name = fmt.Sprintf("%s-%s-%d", app, node, i)
			pod.Spec.NodeName, pod.Status.Phase = node, corev1.PodRunning
		}
		w.add("v1", "Pod", pod)
	}
}

func (w *world) pdb(words []string, _ options) {
	allowed, err := strconv.Atoi(words[2])
	if err != nil {
		w.Fatal(err)
	}
	pdb := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: words[0]}}
	pdb.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": words[1]}}
	pdb.Status.DisruptionsAllowed = int32(allowed)
	w.add("policy/v1", "PodDisruptionBudget", pdb)
}

func (w *world) event(words []string, _ options) {
	e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("event-%d", len(w.objects))}, Reason: words[2], Message: strings.Join(words[3:], " ")}
	e.InvolvedObject = corev1.ObjectReference{Kind: words[0], Name: words[1], Namespace: "default"}
	e.LastTimestamp, e.Source.Component = long, "eks-auto-mode/compute"
	w.add("v1", "Event", e)
}

// controllers adds what the cluster's controllers tell of themselves.
func (w *world) controllers(words []string, _ options) {
	text := strings.ReplaceAll(strings.Join(words[1:], " "), "SOON", time.Now().Add(time.Minute).UTC().Format(time.RFC3339))
	w.add("v1", "ConfigMap", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: bulletin.Namespace, Name: bulletin.Name}, Data: map[string]string{words[0]: text}})
}
