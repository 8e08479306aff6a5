package plan

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/labels"
	"github.com/automode-dev/automode/compute/nodes"
	"github.com/automode-dev/automode/compute/nodes/builtin"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// Scenario is a question: these manifests, in this region, on an empty cluster or on top of a live one.
type Scenario struct {
	Catalog *catalog.Catalog
	Region  string
	// Zones of the cluster's subnets; none for the first three of the region. Only where there is no live cluster.
	Zones []string
	// Objects of manifests.
	Objects []client.Object
	// Live are the objects of a cluster; nil asks for an empty one with the built-in NodePools.
	Live []client.Object
	// NoFee leaves the Auto Mode fee out.
	NoFee bool
	// Blocked tells which offerings have no capacity now; nil stands for none.
	Blocked instancetypes.Blocked
	// Disruption and ComparePools are how the cluster's controllers are configured.
	Disruption   disruption.Options
	ComparePools bool
	// Clock tells how old things are; nil for the real one.
	Clock clock.Clock
}

// decision is the solver's answer with what it was asked.
type decision struct {
	picture  *state.Picture
	market   *market
	pods     []*corev1.Pod // that wait
	snapshot solver.Snapshot
	plan     solver.Plan
	static   []staticNode
	// rejected are pods that cannot be thought about.
	rejected []state.Rejected
}

// decide has the scenario decided.
func (s *Scenario) decide() (decision, error) {
	picture, market, err := s.picture()
	if err != nil {
		return decision{}, err
	}
	pods := picture.Waiting(func(*corev1.Pod) bool { return true })
	for _, o := range s.Objects {
		if pod, ok := o.(*corev1.Pod); ok && (pod.Spec.NodeName != "" || slices.Contains(pods, pod)) {
			continue // of a cluster: it is bound, or waits already
		}
		pods = append(pods, expand(o).pods...)
	}
	return s.ask(picture, pods, market)
}

// ask has pods placed, on the nodes that static pools have yet to make too.
func (s *Scenario) ask(picture *state.Picture, pods []*corev1.Pod, m *market) (decision, error) {
	static, err := s.staticNodes(picture, m)
	if err != nil {
		return decision{}, err
	}
	d := decision{picture: picture, market: m, pods: pods, static: static}
	d.snapshot, d.rejected = picture.Snapshot(state.Question{Pods: pods, Types: m.list, Leaving: marks(picture).Leaving, UnknownVolumes: s.Live == nil,
		Options: s.options()})
	for i := range static {
		d.snapshot.Nodes = append(d.snapshot.Nodes, static[i].Node)
	}
	d.plan = solver.Solve(d.snapshot)
	return d, nil
}

// options are those that the controllers decide with.
func (s *Scenario) options() solver.Options {
	return solver.Options{MaxTypes: nodes.MaxTypes, ComparePools: s.ComparePools}
}

// picture holds the cluster and everything of the manifests but their pods.
func (s *Scenario) picture() (*state.Picture, *market, error) {
	labels.Register()
	picture := state.NewPicture()
	classes := map[string]*eksv1.NodeClass{}
	subnets, err := s.prepare(picture, classes)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range s.Objects {
		if class, ok := o.(*eksv1.NodeClass); ok {
			class = class.DeepCopy()
			class.Status.Subnets = subnets
			classes[class.Name] = class
		}
		for _, claim := range expand(o).claims {
			picture.Set(claim)
		}
		set(picture, o)
	}
	return picture, s.market(classes), nil
}

// prepare puts what is there before the manifests into the picture and returns the subnets of new NodeClasses.
func (s *Scenario) prepare(picture *state.Picture, classes map[string]*eksv1.NodeClass) ([]eksv1.Subnet, error) {
	if s.Live == nil {
		subnets, err := Subnets(s.Catalog, s.Region, s.Zones)
		if err != nil {
			return nil, err
		}
		class := defaultClass()
		class.Status.Subnets = subnets
		classes[class.Name] = class
		for _, name := range []string{builtin.GeneralPurpose, builtin.System} {
			picture.Set(builtin.NodePool(name))
		}
		for _, name := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem} {
			picture.Set(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}}})
		}
		return subnets, nil
	}
	var subnets []eksv1.Subnet
	replaced := s.replaced()
	for _, o := range s.Live {
		if class, ok := o.(*eksv1.NodeClass); ok {
			classes[class.Name] = class
			if len(subnets) == 0 || class.Name == builtin.NodeClassName {
				subnets = class.Status.Subnets
			}
		}
		if pod, ok := o.(*corev1.Pod); ok && replaced[OwnerOf(pod)] {
			continue // the manifests say how many there will be
		}
		set(picture, o)
	}
	return subnets, nil
}

// replaced are the workloads that the manifests describe anew.
func (s *Scenario) replaced() map[Workload]bool {
	names := map[Workload]bool{}
	for _, o := range s.Objects {
		kind := o.GetObjectKind().GroupVersionKind().Kind
		names[Workload{kind, namespaceOf(o), o.GetName()}] = true
	}
	return names
}

// set takes over what the picture needs of an object that is no pod of a manifest.
func set(picture *state.Picture, o client.Object) {
	switch o := o.(type) {
	case *corev1.Namespace:
		o = o.DeepCopy()
		if o.Labels == nil {
			o.Labels = map[string]string{}
		}
		o.Labels[corev1.LabelMetadataName] = o.Name
		picture.Set(o)
	case *appsv1.DaemonSet, *corev1.PersistentVolumeClaim:
		o.SetNamespace(namespaceOf(o))
		picture.Set(o)
	case *karpv1.NodePool, *karpv1.NodeClaim, *corev1.Node, *corev1.PersistentVolume, *storagev1.StorageClass, *storagev1.CSINode:
		picture.Set(o)
	case *corev1.Pod:
		if o.Spec.NodeName != "" || o.UID != "" {
			picture.Set(o)
		}
	}
}

// Check says what is wrong with the NodePools of the manifests.
func (s *Scenario) Check() error {
	for _, o := range s.Objects {
		pool, ok := o.(*karpv1.NodePool)
		if !ok {
			continue
		}
		if pool.Spec.Template.Spec.NodeClassRef == nil {
			return fmt.Errorf("NodePool %q: spec.template.spec.nodeClassRef is missing", pool.Name)
		}
		for key := range pool.Spec.Template.Labels {
			if err := labels.CheckRestricted(key); err != nil {
				return fmt.Errorf("NodePool %q: %w", pool.Name, err)
			}
		}
		for _, r := range pool.Spec.Template.Spec.Requirements {
			if err := labels.CheckRestricted(r.Key); err != nil {
				return fmt.Errorf("NodePool %q: %w", pool.Name, err)
			}
		}
	}
	return nil
}
