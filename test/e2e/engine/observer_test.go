package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// appLabel is on every pod of these tests and names its Deployment.
const appLabel = "app"

// observer follows a cluster's pods, PodDisruptionBudgets and NodeClaims, and notes what breaks a promise at the event
// that breaks it. The API server tells of the objects of one kind in the order in which they changed.
type observer struct {
	mu     sync.Mutex
	pods   map[types.UID]*pod
	guards map[string]*guard // by app
	claims map[types.UID]*claim
	budget func(nodes int) int // how many of the nodes may go at a time; nil for any number
	wanted map[string]wish     // by app
	grown  []growth

	disrupted int       // nodes on their way out now, as budgets count them
	peak      int       // the most there were at a time
	changed   time.Time // a node came, went or was marked
	faults    []string
	story     []string // what happened to nodes, for a test that fails
}

// pod is what the tests need of one.
type pod struct {
	name     string
	app      string
	node     string
	requests demand
	made     time.Time // seen at first
	bound    time.Time // seen bound
	healthy  bool      // Ready and not being deleted
	gone     bool
}

// guard is what a PodDisruptionBudget demands.
type guard struct {
	demands int
	healthy int // now
	lowest  int // since the guard stands
	taken   int // healthy pods that were taken away
}

// claim is a NodeClaim; times are those at which it was seen.
type claim struct {
	name         string
	node         string
	room         demand
	created      time.Time
	marked       time.Time // for disruption; zero while it is not
	gone         bool
	initialized  bool
	terminating  bool // drained: it counts for budgets no longer
	reason       string
	replacements []string
	waiting      demand // of what was wanted and on no node yet when this one was marked
}

// wish is how many pods of what size an app is to have.
type wish struct {
	replicas int
	each     demand
}

// growth is demand that was added at a time.
type growth struct {
	at    time.Time
	added demand
}

// demand is a vector of requested resources.
type demand struct{ milliCPU, bytes int64 }

func (d demand) plus(o demand) demand { return demand{d.milliCPU + o.milliCPU, d.bytes + o.bytes} }

func (d demand) times(n int) demand { return demand{d.milliCPU * int64(n), d.bytes * int64(n)} }

func (d demand) within(o demand) bool { return d.milliCPU <= o.milliCPU && d.bytes <= o.bytes }

func demandOf(list corev1.ResourceList) demand {
	return demand{list.Cpu().MilliValue(), list.Memory().Value()}
}

// observe follows a cluster until the test ends.
func observe(t *testing.T, config *rest.Config) *observer {
	t.Helper()
	o := &observer{pods: map[types.UID]*pod{}, guards: map[string]*guard{}, claims: map[types.UID]*claim{}, wanted: map[string]wish{}, changed: time.Now()}
	objects, err := cache.New(config, cache.Options{Scheme: knownTypes(t), DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		t.Fatal(err)
	}
	follow(t, objects, o.seePod, o.losePod)
	follow(t, objects, o.seePDB, func(*policyv1.PodDisruptionBudget) {})
	follow(t, objects, o.seeClaim, o.loseClaim)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- objects.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if !objects.WaitForCacheSync(ctx) {
		t.Fatal("the cluster cannot be watched")
	}
	return o
}

// follow calls see and lose for every event of a kind.
func follow[T any, P interface {
	*T
	client.Object
}](t *testing.T, objects cache.Cache, see, lose func(P)) {
	t.Helper()
	informer, err := objects.GetInformer(t.Context(), P(new(T)), cache.BlockUntilSynced(false))
	if err != nil {
		t.Fatal(err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { see(o.(P)) },
		UpdateFunc: func(_, o any) { see(o.(P)) },
		DeleteFunc: func(o any) {
			if last, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = last.Obj
			}
			lose(o.(P))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (o *observer) faultf(format string, args ...any) {
	o.faults = append(o.faults, fmt.Sprintf(format, args...))
}

// tell adds a line to the story.
func (o *observer) tell(format string, args ...any) {
	o.story = append(o.story, time.Now().Format("15:04:05.0 ")+fmt.Sprintf(format, args...))
}

// told returns the story.
func (o *observer) told() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.story, "\n")
}

// broken returns the promises that were broken so far.
func (o *observer) broken() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.faults)
}

func (o *observer) seePod(p *corev1.Pod) {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := o.pods[p.UID]
	if seen == nil {
		seen = &pod{name: p.Name, app: p.Labels[appLabel], made: time.Now()}
		for i := range p.Spec.Containers {
			seen.requests = seen.requests.plus(demandOf(p.Spec.Containers[i].Resources.Requests))
		}
		o.pods[p.UID] = seen
	}
	if seen.node == "" && p.Spec.NodeName != "" {
		seen.node, seen.bound = p.Spec.NodeName, time.Now()
	}
	o.health(p, seen, isReady(p) && p.DeletionTimestamp.IsZero(), !p.DeletionTimestamp.IsZero())
}

func (o *observer) losePod(p *corev1.Pod) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if seen := o.pods[p.UID]; seen != nil {
		o.health(p, seen, false, true)
		seen.gone = true
	}
}

// health notes whether a pod is healthy. A healthy one that is taken away must leave as many as its guard demands; one that
// became unhealthy by itself is no one's decision.
func (o *observer) health(p *corev1.Pod, seen *pod, healthy, taken bool) {
	before := seen.healthy
	seen.healthy = healthy
	g := o.guards[seen.app]
	if g == nil || before == healthy {
		return
	}
	if healthy {
		g.healthy++
		return
	}
	g.healthy--
	g.lowest = min(g.lowest, g.healthy)
	if !taken {
		return
	}
	g.taken++
	if g.healthy < g.demands {
		o.faultf("pod %s was taken from node %s: %d of %s are healthy, its PodDisruptionBudget demands %d", p.Name, p.Spec.NodeName, g.healthy, seen.app, g.demands)
	}
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// guard begins to hold the cluster to a PodDisruptionBudget of an app.
func (o *observer) guard(app string, demands int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := &guard{demands: demands}
	for _, p := range o.pods {
		if p.app == app && p.healthy {
			g.healthy++
		}
	}
	g.lowest = g.healthy
	o.guards[app] = g
}

// seePDB checks that the cluster understands a budget as the tests do.
func (o *observer) seePDB(b *policyv1.PodDisruptionBudget) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if g := o.guards[b.Name]; g != nil && b.Status.ObservedGeneration == b.Generation && int(b.Status.DesiredHealthy) != g.demands {
		o.faultf("PodDisruptionBudget %s demands %d of %d, not %d", b.Name, b.Status.DesiredHealthy, b.Status.ExpectedPods, g.demands)
	}
}

func (o *observer) seeClaim(c *karpv1.NodeClaim) {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := o.claims[c.UID]
	if seen == nil {
		seen = &claim{name: c.Name, created: time.Now()}
		o.claims[c.UID] = seen
		o.changed = time.Now()
		o.tell("%s is made", c.Name)
	}
	seen.node, seen.room = c.Status.NodeName, demandOf(c.Status.Allocatable)
	conditions := c.StatusConditions()
	if !seen.initialized && conditions.IsTrue(karpv1.ConditionTypeInitialized) {
		seen.initialized = true
		o.tell("%s is ready: node %s, %s", c.Name, seen.node, c.Labels[corev1.LabelInstanceTypeStable])
	}
	seen.terminating = conditions.IsTrue(karpv1.ConditionTypeInstanceTerminating)
	o.mark(c, seen)
	o.count()
}

// mark notes that a claim is on its way out, or that it was spared after all.
func (o *observer) mark(c *karpv1.NodeClaim, seen *claim) {
	text := c.Annotations["automode.dev/disruption"]
	if text == "" && c.DeletionTimestamp.IsZero() {
		if !seen.marked.IsZero() {
			o.tell("%s is spared", c.Name)
		}
		seen.marked = time.Time{}
		return
	}
	if !seen.marked.IsZero() {
		return
	}
	seen.marked, o.changed = time.Now(), time.Now()
	var step struct {
		Reason       string
		Replacements []string
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &step); err != nil {
			o.faultf("NodeClaim %s has an unreadable step on it: %v", c.Name, err)
		}
	}
	o.tell("%s goes: %s, replaced by %v", c.Name, step.Reason, step.Replacements)
	seen.reason, seen.waiting = step.Reason, o.waiting()
	seen.replacements = append(seen.replacements, step.Replacements...)
}

// want notes how many pods an app is going to be told to have.
func (o *observer) want(app string, replicas int, each demand) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.wanted[app].replicas
	o.wanted[app] = wish{replicas, each}
	o.tell("%s goes from %d to %d", app, before, replicas)
	if replicas > before {
		o.grown = append(o.grown, growth{time.Now(), each.times(replicas - before)})
	}
}

// waiting is what is wanted and on no node yet.
func (o *observer) waiting() demand {
	on := map[string]int{}
	for _, p := range o.pods {
		if p.node != "" && !p.gone {
			on[p.app]++
		}
	}
	var sum demand
	for app, w := range o.wanted {
		sum = sum.plus(w.each.times(max(0, w.replicas-on[app])))
	}
	return sum
}

func (o *observer) loseClaim(c *karpv1.NodeClaim) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if seen := o.claims[c.UID]; seen != nil {
		seen.gone, o.changed = true, time.Now()
		o.tell("%s is gone", c.Name)
	}
	o.count()
}

// count counts nodes as budgets do: those that are initialized and not yet drained.
func (o *observer) count() {
	nodes, disrupted := 0, 0
	for _, c := range o.claims {
		if c.gone || !c.initialized || c.terminating {
			continue
		}
		nodes++
		if !c.marked.IsZero() {
			disrupted++
		}
	}
	if o.budget != nil && disrupted > o.disrupted && disrupted > o.budget(nodes) {
		o.faultf("%d of %d nodes are on their way out, the budget is %d", disrupted, nodes, o.budget(nodes))
	}
	o.disrupted, o.peak = disrupted, max(o.peak, disrupted)
}

// limit begins to hold the cluster to a disruption budget.
func (o *observer) limit(budget func(nodes int) int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.budget, o.peak = budget, 0
}

// nodesChanged is when a node last came, went or was marked, and whether one is coming or going.
func (o *observer) nodesChanged() (since time.Time, busy bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.claims {
		if !c.gone && (!c.initialized || !c.marked.IsZero()) {
			return o.changed, true
		}
	}
	return o.changed, false
}

// turnover counts the nodes that ever came and those that are there.
func (o *observer) turnover() (came, there int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.claims {
		came++
		if !c.gone {
			there++
		}
	}
	return came, there
}

// tally counts pods: all, those on a node, those that are healthy.
type tally struct{ all, bound, healthy int }

func (o *observer) tally() tally {
	o.mu.Lock()
	defer o.mu.Unlock()
	var t tally
	for _, p := range o.pods {
		if p.gone {
			continue
		}
		t.all++
		if p.node != "" {
			t.bound++
		}
		if p.healthy {
			t.healthy++
		}
	}
	return t
}

// onNodes returns the pods of each app that are on nodes, in the order in which they were bound.
func (o *observer) onNodes() map[string][]pod {
	o.mu.Lock()
	defer o.mu.Unlock()
	apps := map[string][]pod{}
	for _, p := range o.pods {
		if !p.gone && p.node != "" {
			apps[p.app] = append(apps[p.app], *p)
		}
	}
	for _, pods := range apps {
		slices.SortFunc(pods, func(a, b pod) int { return a.bound.Compare(b.bound) })
	}
	return apps
}

// healthyOf counts the healthy pods of each app.
func (o *observer) healthyOf() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	counts := map[string]int{}
	for _, p := range o.pods {
		if p.healthy {
			counts[p.app]++
		}
	}
	return counts
}

// podsByNode groups the pods that are there by their node.
func (o *observer) podsByNode() map[string][]*pod {
	o.mu.Lock()
	defer o.mu.Unlock()
	on := map[string][]*pod{}
	for _, p := range o.pods {
		if !p.gone && p.node != "" {
			on[p.node] = append(on[p.node], p)
		}
	}
	return on
}
