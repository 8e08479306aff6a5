package plan

import (
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// HoursPerMonth is what AWS's own calculator counts with.
const HoursPerMonth = 730

// Report is what `automode plan -o json` prints; its fields are a contract. Prices are dollars per hour unless the name
// says otherwise; fees are those of Auto Mode and stand apart from the prices of the instances.
type Report struct {
	Region string `json:"region"`
	// Nodes to create.
	Nodes []Node `json:"nodes"`
	// Existing are pods that go to nodes that are there.
	Existing []Existing `json:"existing"`
	// Unplaced are pods that nothing can take, grouped by workload and reason.
	Unplaced []Unplaced `json:"unplaced"`

	Price         float64 `json:"price"`
	Fee           float64 `json:"fee"`
	PricePerMonth float64 `json:"pricePerMonth"` // fee included
	// Bound is a price for the new nodes that no choice of nodes can be below (nodes bought in fractions), and Gap how far
	// Price is above it in per cent. Both are 0 where pods are left out.
	Bound float64 `json:"bound"`
	Gap   float64 `json:"gapPercent"`
	// Cluster is what a live cluster costs before and after, ClusterNodes the nodes that it has now, and Removals which of
	// them disruption would remove or replace once the cluster is at rest; absent without one.
	Cluster      *Change       `json:"cluster,omitempty"`
	ClusterNodes []ClusterNode `json:"clusterNodes,omitempty"`
	Removals     []Removal     `json:"removals,omitempty"`
	// Ignored counts objects of the manifests that planning does not know, by apiVersion and kind.
	Ignored map[string]int `json:"ignored,omitempty"`
}

// Node is a node to create.
type Node struct {
	NodePool string `json:"nodePool"`
	// Static nodes come because their pool says how many it has, not because of pods.
	Static       bool                `json:"static,omitempty"`
	InstanceType string              `json:"instanceType"`
	Zones        []string            `json:"zones"` // where it may be; the cheapest first
	CapacityType string              `json:"capacityType"`
	Requests     corev1.ResourceList `json:"requests"` // of pods and DaemonSets
	Allocatable  corev1.ResourceList `json:"allocatable"`
	Price        float64             `json:"price"`
	Fee          float64             `json:"fee"`
	// InstanceTypes could be taken instead, cheapest first, the chosen one included.
	InstanceTypes []string `json:"instanceTypes"`
	Pods          []string `json:"pods"` // namespace/name
}

// Existing is a node that is there with the pods it gets.
type Existing struct {
	Node string   `json:"node"`
	Pods []string `json:"pods"`
}

// Unplaced are pods of a workload that are left out for the same reasons.
type Unplaced struct {
	Workload
	Pods    []string `json:"pods"`
	Reasons []Reason `json:"reasons"`
	// Fix is the least change that would help, empty where none is known.
	Fix string `json:"fix,omitempty"`
}

// Reason is why a NodePool cannot take a pod.
type Reason struct {
	NodePool string `json:"nodePool,omitempty"`
	Kind     string `json:"kind"`
	Message  string `json:"message"`
}

// Change compares a live cluster before and after.
type Change struct {
	NodesBefore   int     `json:"nodesBefore"`
	NodesAfter    int     `json:"nodesAfter"`
	PriceBefore   float64 `json:"priceBefore"` // fee included
	FeeBefore     float64 `json:"feeBefore"`
	PriceAfter    float64 `json:"priceAfter"`
	PerMonthDelta float64 `json:"perMonthDelta"`
}

// Plan answers the scenario.
func (s *Scenario) Plan() (*Report, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	d, err := s.decide()
	if err != nil {
		return nil, err
	}
	r := s.report(&d)
	if s.Live != nil {
		s.disrupt(r, &d)
		r.Cluster = s.change(r)
	}
	return r, nil
}

func (s *Scenario) report(d *decision) *Report {
	r := &Report{Region: s.Region, Nodes: []Node{}, Existing: []Existing{}}
	types := typeTable(d.snapshot)
	for _, claim := range d.plan.Claims {
		r.Nodes = append(r.Nodes, s.node(claim, types))
	}
	pods := map[string][]*corev1.Pod{}
	for _, placement := range d.plan.Placements {
		if pods[placement.Node] = placement.Pods; d.staticNode(placement.Node) == nil {
			r.Existing = append(r.Existing, Existing{placement.Node, podNames(placement.Pods)})
		}
	}
	bound := d.plan.Bound
	for i := range d.static {
		n := d.static[i].planned(d.snapshot.DaemonSets, pods[d.static[i].Name])
		r.Nodes, bound = append(r.Nodes, n), bound+n.Price
	}
	for _, n := range r.Nodes {
		r.Price, r.Fee = r.Price+n.Price, r.Fee+n.Fee
	}
	slices.SortStableFunc(r.Nodes, compareNodes)
	r.Unplaced = unplaced(d.plan, d.rejected)
	if bound > 0 && len(d.plan.Unplaced) == 0 {
		r.Bound = cents(bound)
		r.Gap = math.Round((r.Price/bound-1)*1e4) / 1e2
	}
	r.Price, r.Fee = cents(r.Price), cents(r.Fee)
	r.PricePerMonth = perMonth(r.Price + r.Fee)
	return r
}

// cents rounds to the five digits that fees have.
func cents(price float64) float64 { return math.Round(price*1e5) / 1e5 }

// perMonth adds zero because there is a negative one.
func perMonth(price float64) float64 { return math.Round(price*HoursPerMonth*100)/100 + 0 }

func compareNodes(a, b Node) int {
	for _, c := range []int{
		strings.Compare(a.NodePool, b.NodePool), strings.Compare(a.InstanceType, b.InstanceType),
		strings.Compare(a.CapacityType, b.CapacityType), slices.Compare(a.Zones, b.Zones),
	} {
		if c != 0 {
			return c
		}
	}
	return 0
}

func (s *Scenario) node(claim solver.Claim, types map[string]*solver.InstanceType) Node {
	t := types[claim.Cheapest.Type]
	n := Node{
		NodePool: claim.Pool, InstanceType: claim.Cheapest.Type, CapacityType: claim.Cheapest.CapacityType, Price: claim.Cheapest.Price,
		Requests: claim.Requests, Allocatable: t.Allocatable, InstanceTypes: claim.Types, Pods: podNames(claim.Pods), Zones: zones(claim, t),
	}
	n.Fee = s.fee(n.InstanceType)
	return n
}

func (s *Scenario) fee(instanceType string) float64 {
	if s.NoFee {
		return 0
	}
	fee, _ := s.Catalog.Fee(s.Region, instanceType)
	return fee
}

// zones lists where the claim's cheapest type is sold at the price, the expected zone first.
func zones(claim solver.Claim, t *solver.InstanceType) []string {
	allowed := func(string) bool { return true }
	for _, r := range claim.Requirements {
		if r.Key == corev1.LabelTopologyZone && r.Operator == corev1.NodeSelectorOpIn {
			allowed = func(zone string) bool { return slices.Contains(r.Values, zone) }
		}
	}
	list := []string{claim.Cheapest.Zone}
	for i := range t.Offerings {
		o := &t.Offerings[i]
		if o.Available && o.CapacityType() == claim.Cheapest.CapacityType && o.Price <= claim.Cheapest.Price && allowed(o.Zone()) && !slices.Contains(list, o.Zone()) {
			list = append(list, o.Zone())
		}
	}
	return list
}

func typeTable(snapshot solver.Snapshot) map[string]*solver.InstanceType {
	table := map[string]*solver.InstanceType{}
	for _, pool := range snapshot.Pools {
		for _, t := range pool.Types {
			table[t.Name] = t
		}
	}
	return table
}

func podNames(pods []*corev1.Pod) []string {
	names := make([]string, len(pods))
	for i, pod := range pods {
		names[i] = pod.Namespace + "/" + pod.Name
	}
	return names
}

// unplaced groups the pods left out.
func unplaced(plan solver.Plan, rejected []state.Rejected) []Unplaced {
	groups := []Unplaced{}
	index := map[string]int{}
	add := func(pod *corev1.Pod, reasons []Reason, fix string) {
		owner := OwnerOf(pod)
		key := owner.String() + "\n" + fix
		for _, r := range reasons {
			key += "\n" + r.NodePool + " " + r.Message
		}
		at, ok := index[key]
		if !ok {
			at = len(groups)
			index[key] = at
			groups = append(groups, Unplaced{Workload: owner, Reasons: reasons, Fix: fix})
		}
		groups[at].Pods = append(groups[at].Pods, pod.Namespace+"/"+pod.Name)
	}
	for _, u := range plan.Unplaced {
		add(u.Pod, reasonsOf(u), Fix(u))
	}
	for _, r := range rejected {
		add(r.Pod, []Reason{{Kind: "Volumes", Message: r.Err.Error()}}, "")
	}
	return groups
}

func reasonsOf(u solver.Unplaced) []Reason {
	reasons := make([]Reason, len(u.Reasons))
	for i, r := range u.Reasons {
		reasons[i] = Reason{r.Pool, string(r.Kind), r.Message}
	}
	return reasons
}

// priceOf is the price of a node that is there, 0 where it is not known.
func (s *Scenario) priceOf(labels map[string]string) float64 {
	return PriceOf(s.Catalog, s.Region, labels)
}

// PriceOf is the price of a node by its labels, without the fee; 0 where it is not known.
func PriceOf(c *catalog.Catalog, region string, labels map[string]string) float64 {
	name := labels[corev1.LabelInstanceTypeStable]
	if labels[karpv1.CapacityTypeLabelKey] == karpv1.CapacityTypeSpot {
		if price, ok := c.Spot(region, labels[corev1.LabelTopologyZone], name); ok {
			return price
		}
	}
	price, _ := c.OnDemand(region, name)
	return price
}

// RegionOf is the region that a cluster's nodes or subnets are in, empty where nothing tells.
func RegionOf(objects []client.Object) string {
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.Node:
			if region := o.Labels[corev1.LabelTopologyRegion]; region != "" {
				return region
			}
		case *eksv1.NodeClass:
			for _, subnet := range o.Status.Subnets {
				if len(subnet.Zone) > 1 {
					return subnet.Zone[:len(subnet.Zone)-1]
				}
			}
		}
	}
	return ""
}

func (r Reason) String() string { return sentence(r.NodePool, r.Message) }
