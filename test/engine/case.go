package engine

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// Case is one problem in Karpenter's terms, from which both sides get theirs.
type Case struct {
	Name       string
	Pods       []*corev1.Pod   // that wait
	Claims     []*v1.NodeClaim // all launched; those that are being deleted go away with their nodes
	Nodes      []*corev1.Node  // of some of the claims: the others are in flight
	Bound      []*corev1.Pod   // pods on nodes
	Pools      []*v1.NodePool
	Types      []*cloudprovider.InstanceType
	DaemonSets []*corev1.Pod
	Namespaces []*corev1.Namespace
	Storage    []client.Object // claims, volumes, storage classes, CSINodes
}

// Snapshot is the case as the solver takes it, by way of the controllers' picture.
func (c *Case) Snapshot() solver.Snapshot {
	picture := state.NewPicture()
	for _, o := range c.objects() {
		picture.Set(o)
	}
	types := make([]*solver.InstanceType, len(c.Types))
	for i, t := range c.Types {
		types[i] = state.InstanceType(t)
	}
	s, _ := picture.Snapshot(state.Question{Pods: c.Pods, Types: func(*v1.NodePool) []*solver.InstanceType { return types },
		Movable: func(*corev1.Pod) bool { return true }})
	return s
}

// objects lists what is in the cluster.
func (c *Case) objects() []client.Object {
	out := slices.Clone(c.Storage)
	for _, n := range c.Namespaces {
		out = append(out, n)
	}
	for _, p := range c.Pools {
		out = append(out, p)
	}
	for _, d := range c.DaemonSets {
		out = append(out, &appsv1.DaemonSet{ObjectMeta: d.ObjectMeta, Spec: appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{ObjectMeta: d.ObjectMeta, Spec: d.Spec}}})
	}
	for _, n := range c.Claims {
		out = append(out, n)
	}
	for _, n := range c.Nodes {
		out = append(out, n)
	}
	for _, p := range c.Bound {
		out = append(out, p)
	}
	return out
}

// toPlace lists the pods that wait and those on nodes that go away.
func (c *Case) toPlace() []*corev1.Pod {
	out := slices.Clone(c.Pods)
	for _, p := range c.Bound {
		if claim := c.claimOf(p.Spec.NodeName); claim != nil && !claim.DeletionTimestamp.IsZero() {
			out = append(out, p)
		}
	}
	return out
}

// claimOf finds the claim of a node.
func (c *Case) claimOf(node string) *v1.NodeClaim {
	for _, n := range c.Claims {
		if n.Status.NodeName == node {
			return n
		}
	}
	return nil
}

// staying lists the claims whose nodes do not go away.
func (c *Case) staying() []*v1.NodeClaim {
	return slices.DeleteFunc(slices.Clone(c.Claims), func(n *v1.NodeClaim) bool { return !n.DeletionTimestamp.IsZero() })
}

// domainKeys are the keys whose domains instance types define.
var domainKeys = []string{corev1.LabelTopologyZone, v1.CapacityTypeLabelKey}

// comparable tells whether both sides see the same domains: those of nodes are
// some that a pool could make, which Karpenter's anti-affinity does not see
// otherwise, and what is listed for a pool can be had.
func (c *Case) comparable() bool {
	anywhere := map[string]bool{}
	for _, p := range c.orderedPools() {
		listed, known := c.domainsOf(p)
		for domain := range listed {
			if !known[domain] {
				return false
			}
			anywhere[domain] = true
		}
	}
	for _, n := range c.Claims {
		for _, key := range domainKeys {
			if !anywhere[key+n.Labels[key]] {
				return false
			}
		}
	}
	return true
}

// domainsOf lists the domains that instance types name for a pool, and those that
// its nodes can be in.
func (c *Case) domainsOf(p *v1.NodePool) (listed, known map[string]bool) {
	reqs := scheduling.NewNodeSelectorRequirementsWithMinValues(p.Spec.Template.Spec.Requirements...)
	listed, known = map[string]bool{}, map[string]bool{}
	types := map[string]map[string]bool{} // by domain
	for _, t := range c.Types {
		for _, key := range domainKeys {
			for _, v := range t.Requirements.Get(key).Values() {
				if reqs.Get(key).Has(v) {
					listed[key+v] = true
				}
			}
		}
		if !reqs.IsCompatible(t.Requirements, scheduling.AllowUndefinedWellKnownLabels) {
			continue
		}
		for _, o := range t.Offerings {
			if !o.Available || !reqs.IsCompatible(o.Requirements, scheduling.AllowUndefinedWellKnownLabels) {
				continue
			}
			for _, key := range domainKeys {
				domain := key + o.Requirements.Get(key).Any()
				if types[domain] == nil {
					types[domain] = map[string]bool{}
				}
				types[domain][t.Name] = true
				known[domain] = len(types[domain]) >= ptr.Deref(reqs.Get(corev1.LabelInstanceTypeStable).MinValues, 1)
			}
		}
	}
	return listed, known
}

// register tells Karpenter's topology of the domains of nodes. It knows those of
// pools that a pod tolerates, which is not enough for the rules of other pods.
func (c *Case) register(w *world) {
	spread := map[string]bool{}
	for _, p := range c.Pods {
		for _, s := range p.Spec.TopologySpreadConstraints {
			spread[s.TopologyKey] = true
		}
	}
	for _, n := range w.nodes {
		for _, key := range []string{corev1.LabelTopologyZone, v1.CapacityTypeLabelKey} {
			if domain, ok := n.Labels()[key]; ok && !spread[key] {
				w.topology.Register(key, domain)
			}
		}
	}
}

// labelsOf are the labels of a node of a type in one of its offerings.
func labelsOf(t *cloudprovider.InstanceType, o *cloudprovider.Offering) map[string]string {
	out := map[string]string{}
	add := func(reqs scheduling.Requirements) {
		for key, r := range reqs {
			if values := r.Values(); r.Operator() == corev1.NodeSelectorOpIn && len(values) == 1 {
				out[key] = values[0]
			}
		}
	}
	add(t.Requirements)
	add(o.Requirements)
	return out
}
