package disrupting

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	disruptionevents "sigs.k8s.io/karpenter/pkg/controllers/disruption/events"

	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/state"
)

// How long a step may take until its replacements are ready: more steps at a
// time, more time.
const (
	leastWait   = 10 * time.Minute
	mostWait    = time.Hour
	waitPerStep = 80 * time.Millisecond
)

// errFailed marks a step that cannot succeed any more.
var errFailed = errors.New("step failed")

// leaving tells of nodes that are decided on, by provider id.
func (c *Controller) leaving() func(string) bool {
	marked := map[string]bool{}
	for n := range c.Cluster.Nodes() {
		if n.MarkedForDeletion() {
			marked[n.ProviderID()] = true
		}
	}
	for _, r := range c.running {
		for _, t := range r.targets {
			marked[t.providerID] = true
		}
	}
	c.forgetRemoved()
	maps.Copy(marked, c.removed)
	return func(providerID string) bool { return marked[providerID] }
}

// forgetRemoved forgets removed nodes that the picture shows as such.
func (c *Controller) forgetRemoved() {
	staying := map[string]bool{}
	for _, m := range c.Picture.Machines() {
		if m.Claim != nil && !m.Leaving() {
			staying[m.ProviderID()] = true
		}
	}
	maps.DeleteFunc(c.removed, func(id string, _ bool) bool { return !staying[id] })
}

// walk looks at all steps under way.
func (c *Controller) walk(ctx context.Context) {
	for _, id := range slices.Sorted(maps.Keys(c.running)) {
		r := c.running[id]
		err := c.advance(ctx, r)
		switch {
		case err == nil:
			delete(c.running, id)
		case errors.Is(err, errFailed):
			log.FromContext(ctx).Error(err, "taking a disruption step back", "step", id, "reason", r.Reason)
			c.tellFailed(r, err)
			if err := c.rollBack(ctx, r); err != nil {
				log.FromContext(ctx).Error(err, "trying again")
				continue
			}
			delete(c.running, id)
		default:
			log.FromContext(ctx).V(1).Info("waiting", "step", id, "for", err.Error())
		}
	}
}

// advance finishes a step when its replacements are ready; the error says what
// it waits for, or that it failed.
func (c *Controller) advance(ctx context.Context, r *running) error {
	if r.failed != nil {
		return fmt.Errorf("%w: %w", errFailed, r.failed)
	}
	if err := c.replacementsReady(ctx, r); err != nil {
		if wait := min(max(leastWait, waitPerStep*time.Duration(len(c.running))), mostWait); !errors.Is(err, errFailed) && c.Clock.Since(r.Started) > wait {
			return fmt.Errorf("%w after %s: %w", errFailed, wait, err)
		}
		return err
	}
	errs := make([]error, len(r.targets))
	workqueue.ParallelizeUntil(context.WithoutCancel(ctx), 20, len(r.targets), func(i int) { errs[i] = c.remove(ctx, r, r.targets[i]) })
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, t := range r.targets {
		c.removed[t.providerID] = true
	}
	return nil
}

func (c *Controller) replacementsReady(ctx context.Context, r *running) error {
	for _, name := range r.Replacements {
		if r.ready[name] {
			continue
		}
		claim, err := c.replacement(ctx, name)
		if apierrors.IsNotFound(err) { // it could not be launched, or its node never joined
			return fmt.Errorf("%w: replacement NodeClaim %q is gone", errFailed, name)
		}
		if err != nil {
			return err
		}
		if !claim.DeletionTimestamp.IsZero() {
			return fmt.Errorf("%w: replacement NodeClaim %q is being deleted", errFailed, name)
		}
		c.Recorder.Publish(disruptionevents.Launching(claim, string(r.Reason)))
		if !claim.StatusConditions().IsTrue(karpv1.ConditionTypeInitialized) {
			c.Recorder.Publish(disruptionevents.WaitingOnReadiness(claim))
			return fmt.Errorf("NodeClaim %q is not initialized", name)
		}
		r.ready[name] = true
	}
	return nil
}

// remove deletes the claim of a node that goes; termination does the rest.
func (c *Controller) remove(ctx context.Context, r *running, t target) error {
	claim := &karpv1.NodeClaim{}
	if err := c.Kube.Get(ctx, types.NamespacedName{Name: t.claim}, claim); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !claim.DeletionTimestamp.IsZero() {
		return nil
	}
	if err := c.Kube.Delete(ctx, claim); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting NodeClaim %q: %w", t.claim, err)
	}
	c.tellRemoved(ctx, r, t, claim)
	return nil
}

// resume takes up, once, what an earlier life of this process left: steps whose
// replacements are all there are carried on, others are taken back, and so are
// marks that belong to none.
func (c *Controller) resume(ctx context.Context) error {
	if c.resumed {
		return nil
	}
	found := map[string]*running{}
	for _, m := range c.Picture.Machines() {
		if m.Claim == nil || m.Node == nil || m.Leaving() {
			continue
		}
		rec, marked := survey.RecordOf(m.Claim)
		if !marked {
			if err := c.clean(ctx, m); err != nil {
				return err
			}
			continue
		}
		r := found[rec.ID]
		if r == nil {
			r = &running{Record: rec, ready: map[string]bool{}}
			found[rec.ID] = r
		}
		r.targets = append(r.targets, target{node: m.Node.Name, claim: m.Claim.Name, providerID: m.ProviderID(), pool: m.Pool(), static: c.static(m.Pool())})
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		r := found[id]
		complete, err := c.complete(ctx, r)
		if err != nil {
			return err
		}
		if !complete {
			log.FromContext(ctx).Info("taking back a disruption step that was interrupted", "step", id, "reason", r.Reason, "nodes", len(r.targets))
			if err := c.rollBack(ctx, r); err != nil {
				return err
			}
			continue
		}
		log.FromContext(ctx).Info("carrying on a disruption step", "step", id, "reason", r.Reason, "nodes", len(r.targets), "replacements", len(r.Replacements))
		for _, t := range r.targets {
			if err := c.taint(ctx, t.node, true); err != nil {
				return err
			}
		}
		c.markForDeletion(r)
		c.running[id] = r
	}
	c.resumed = true
	return nil
}

// stray is how long ago a step must have begun that nobody knows of: the picture may be so far behind.
const stray = 2 * time.Minute

// tidy takes steps back that are marked on nodes and not under way.
func (c *Controller) tidy(ctx context.Context) {
	for _, m := range c.Picture.Machines() {
		if m.Claim == nil || m.Node == nil || m.Leaving() {
			continue
		}
		rec, marked := survey.RecordOf(m.Claim)
		if !marked || c.running[rec.ID] != nil || c.Clock.Since(rec.Started) < stray {
			continue
		}
		log.FromContext(ctx).Info("taking back a disruption step that is not under way", "step", rec.ID, "NodeClaim", m.Claim.Name)
		r := &running{Record: rec, targets: []target{{node: m.Node.Name, claim: m.Claim.Name, providerID: m.ProviderID(), pool: m.Pool()}}}
		if err := c.rollBack(ctx, r); err != nil {
			log.FromContext(ctx).Error(err, "trying again")
		}
		delete(c.removed, m.ProviderID())
	}
}

// complete tells whether all replacements of a step were created. A step without
// any is planned again: nothing is lost, and much may have changed.
func (c *Controller) complete(ctx context.Context, r *running) (bool, error) {
	for _, name := range r.Replacements {
		err := c.Kube.Get(ctx, types.NamespacedName{Name: name}, &karpv1.NodeClaim{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading NodeClaim %q: %w", name, err)
		}
	}
	return len(r.Replacements) > 0, nil
}

// clean takes marks of disruption off a node that no step is about.
func (c *Controller) clean(ctx context.Context, m *state.Machine) error {
	if slices.ContainsFunc(m.Node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&karpv1.DisruptedNoScheduleTaint) }) {
		if err := c.taint(ctx, m.Node.Name, false); err != nil {
			return err
		}
	}
	if m.Claim.StatusConditions().Get(karpv1.ConditionTypeDisruptionReason).IsTrue() {
		return c.unmark(ctx, m.Claim.Name)
	}
	return nil
}

func (c *Controller) static(pool string) bool {
	for _, np := range c.Picture.Pools() {
		if np.Name == pool {
			return np.Spec.Replicas != nil
		}
	}
	return false
}
