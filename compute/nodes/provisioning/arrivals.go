package provisioning

import (
	"path"
	"slices"
	"sync"
	"time"

	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/solver"
)

const (
	// stragglers is how long nodes that are ready wait for the next one of their plan.
	stragglers = 5 * time.Second
	// gathering is how long the first one waits at most.
	gathering = 30 * time.Second
	// crowdStragglers and crowdGathering are the same for a crowd, most of whose pods need not wait for that, see fill.
	crowdStragglers = 45 * time.Second
	crowdGathering  = 3 * time.Minute
)

// arrival is the nodes of one plan that open together.
type arrival struct {
	coming    map[string]bool // by name in arrivals: those not ready yet
	unwritten map[string]bool // those that are, without their nominations
	first     time.Time       // when the first of them was ready
	last      time.Time       // when the last one so far was
	crowd     bool            // the plan is for many pods
	complete  bool            // nobody is waited for any more
}

func newArrival(crowd bool) *arrival {
	return &arrival{crowd: crowd, coming: map[string]bool{}, unwritten: map[string]bool{}}
}

// arrivals has the nodes of a plan open together when they are for pods that must be spread. The scheduler knows of
// domains that have nodes, and no others: the first node to come would be the only domain there is, without any skew, and
// take all pods that it has room for. Later, pods that may not go where they are planned yet would find their room taken
// by others whose own nodes are still to come.
type arrivals struct {
	mu     sync.Mutex
	byName map[string]*arrival // by claim, by node once the claim is launched
}

func newArrivals() *arrivals { return &arrivals{byName: map[string]*arrival{}} }

// together tells whether the nodes of a plan open together.
func together(claims []solver.Claim) bool {
	return slices.ContainsFunc(claims, func(claim solver.Claim) bool { return slices.ContainsFunc(claim.Pods, OverZones) })
}

// expect says that a claim's node is one of an arrival's.
func (a *arrivals) expect(claim string, of *arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byName[claim] = of
	of.coming[claim] = true
}

// launched learns the name of a claim's node, which is the id of its instance.
func (a *arrivals) launched(claim *karpv1.NodeClaim) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if of := a.byName[claim.Name]; of != nil {
		node := path.Base(claim.Status.ProviderID)
		delete(a.byName, claim.Name)
		delete(of.coming, claim.Name)
		a.byName[node], of.coming[node] = of, true
	}
}

// claimLeft drops a claim that is gone, launched or not.
func (a *arrivals) claimLeft(claim *karpv1.NodeClaim) {
	a.forget(claim.Name)
	a.forget(path.Base(claim.Status.ProviderID))
}

// forget drops a claim that is not launched, or a node.
func (a *arrivals) forget(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if of := a.byName[name]; of != nil {
		delete(of.coming, name)
		delete(of.unwritten, name)
		delete(a.byName, name)
	}
}

// has tells whether a node is to open together with others.
func (a *arrivals) has(node string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byName[node] != nil
}

// wait tells whether a node that is ready is to stay closed because others are not.
func (a *arrivals) wait(node string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.byName[node]
	if of == nil {
		return false
	}
	if of.first.IsZero() {
		of.first = now
	}
	if of.coming[node] {
		delete(of.coming, node)
		of.last = now
		of.unwritten[node] = !of.complete
	}
	patience, most := stragglers, gathering
	if of.crowd {
		patience, most = crowdStragglers, crowdGathering
	}
	of.complete = of.complete || len(of.coming) == 0 || now.Sub(of.last) >= patience || now.Sub(of.first) >= most
	return !of.complete
}

// written says that a node's nominations are, and tells whether it may open: those of all others are too.
func (a *arrivals) written(node string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.byName[node]
	if of == nil {
		return true
	}
	if delete(of.unwritten, node); len(of.unwritten) > 0 {
		return false
	}
	delete(a.byName, node)
	return true
}
