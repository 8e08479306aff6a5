package ec2

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"k8s.io/client-go/util/workqueue"

	"github.com/automode-dev/automode/localcloud/machine"
)

// lifecycle moves instances from state to state and networks to what they should be. It looks at one thing at a time,
// does the next step and looks again, so that it does not matter where it was interrupted.
type lifecycle struct {
	svc   *Service
	queue workqueue.TypedRateLimitingInterface[job]

	mu      sync.Mutex
	cancel  context.CancelFunc
	working sync.WaitGroup
	reboots map[string]bool
	ensured map[string]bool // machines that run as they should, as far as is known
}

// job is one thing to look at: an instance, or the network of a VPC.
type job struct {
	region *region
	id     string
}

func newLifecycle(s *Service) *lifecycle {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[job](100*time.Millisecond, 30*time.Second)
	queue := workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[job]{Clock: s.clock})
	return &lifecycle{svc: s, queue: queue, reboots: map[string]bool{}, ensured: map[string]bool{}}
}

// start puts everything in the queue that is not at rest, and works.
func (l *lifecycle) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	l.mu.Lock()
	l.cancel = cancel
	l.mu.Unlock()
	l.svc.each(func(r *region) {
		r.view(func() {
			for id := range r.instances.rows {
				l.instance(r, id)
			}
		})
		r.nets.resume()
	})
	for range l.svc.workers {
		l.working.Go(func() { l.work(ctx) })
	}
	l.working.Go(func() { l.sweep(ctx) })
	context.AfterFunc(ctx, l.queue.ShutDown)
}

func (l *lifecycle) stop() {
	l.mu.Lock()
	cancel := l.cancel
	l.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	l.queue.ShutDown()
	l.working.Wait()
}

func (l *lifecycle) instance(r *region, id string) { l.queue.Add(job{r, id}) }

func (l *lifecycle) reboot(r *region, id string) {
	l.mu.Lock()
	l.reboots[id] = true
	l.mu.Unlock()
	l.again(r, id)
}

// again has a machine looked at although nothing of its instance has changed.
func (l *lifecycle) again(r *region, id string) {
	l.known(id, false)
	l.instance(r, id)
}

// known notes whether a machine runs as it should and returns what was known before.
func (l *lifecycle) known(id string, runs bool) (before bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.ensured[id]
	if runs {
		l.ensured[id] = true
	} else {
		delete(l.ensured, id)
	}
	return before
}

// rebooting says once that an instance is to be rebooted.
func (l *lifecycle) rebooting(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.reboots[id]
	delete(l.reboots, id)
	return asked
}

func (l *lifecycle) work(ctx context.Context) {
	for {
		j, shutdown := l.queue.Get()
		if shutdown {
			return
		}
		l.handle(ctx, j)
		l.queue.Done(j)
	}
}

func (l *lifecycle) handle(ctx context.Context, j job) {
	again, err := time.Duration(0), error(nil)
	if wellFormed(vpcKind.prefix, j.id) {
		err = j.region.nets.apply(ctx, j.id)
	} else {
		again, err = l.step(ctx, j.region, j.id)
	}
	switch {
	case err != nil && ctx.Err() == nil:
		l.svc.log.Warn("moving on", "id", j.id, "region", j.region.name, "error", err)
		l.queue.AddRateLimited(j)
		return
	case again > 0:
		l.queue.AddAfter(j, again)
	}
	l.queue.Forget(j)
}

// step does what an instance needs next and says when to look again, 0 for when something changes.
func (l *lifecycle) step(ctx context.Context, r *region, id string) (again time.Duration, err error) {
	var i *instanceRow
	r.view(func() { i = r.instances.get(id) })
	if i == nil {
		return 0, nil
	}
	switch i.State.Name {
	case types.InstanceStateNamePending:
		return l.boot(ctx, r, i)
	case types.InstanceStateNameRunning:
		return l.keep(ctx, r, i)
	case types.InstanceStateNameStopping:
		return l.powerOff(ctx, r, i)
	case types.InstanceStateNameShuttingDown:
		return l.remove(ctx, r, i)
	case types.InstanceStateNameTerminated:
		return l.forget(r, i)
	}
	return 0, nil
}

// wait returns how long the state of an instance still lasts.
func (l *lifecycle) wait(i *instanceRow) time.Duration { return i.NotBefore.Sub(l.svc.now()) }

// boot makes the machine and its network real; then the instance is running.
func (l *lifecycle) boot(ctx context.Context, r *region, i *instanceRow) (time.Duration, error) {
	if err := l.ensure(ctx, r, i); err != nil {
		return 0, err
	}
	if d := l.wait(i); d > 0 {
		return d, nil
	}
	return 0, l.move(r, i, types.InstanceStateNameRunning, nil)
}

// keep makes sure that a running instance's machine runs, and reboots it when asked.
func (l *lifecycle) keep(ctx context.Context, r *region, i *instanceRow) (time.Duration, error) {
	if l.svc.machines != nil && l.rebooting(*i.InstanceId) {
		if err := l.svc.machines.Stop(ctx, *i.InstanceId); err != nil {
			return 0, err
		}
	}
	if !i.Interrupt.IsZero() {
		if d := i.Interrupt.Sub(l.svc.now()); d > 0 {
			return d, l.ensure(ctx, r, i)
		}
		return 0, r.update(func(tx *txn) error {
			if now := r.instances.get(*i.InstanceId); now != nil {
				r.endSpot(tx, now)
			}
			return nil
		})
	}
	return 0, l.ensure(ctx, r, i)
}

func (l *lifecycle) ensure(ctx context.Context, r *region, i *instanceRow) error {
	if l.svc.machines == nil || l.known(*i.InstanceId, true) {
		return nil
	}
	if err := l.make(ctx, r, i); err != nil {
		l.known(*i.InstanceId, false)
		return err
	}
	return nil
}

func (l *lifecycle) make(ctx context.Context, r *region, i *instanceRow) error {
	var spec machine.Spec
	r.view(func() { spec = r.machineSpec(i) })
	if err := l.svc.machines.Ensure(ctx, spec); err != nil {
		return fmt.Errorf("starting the machine of instance %s: %w", *i.InstanceId, err)
	}
	if l.svc.machines.NetNS(*i.InstanceId) == "" {
		return nil
	}
	r.nets.stale(*i.VpcId)
	return r.nets.apply(ctx, *i.VpcId)
}

func (l *lifecycle) powerOff(ctx context.Context, r *region, i *instanceRow) (time.Duration, error) {
	l.known(*i.InstanceId, false)
	if l.svc.machines != nil {
		if err := l.svc.machines.Stop(ctx, *i.InstanceId); err != nil {
			return 0, fmt.Errorf("stopping the machine of instance %s: %w", *i.InstanceId, err)
		}
	}
	if d := l.wait(i); d > 0 {
		return d, nil
	}
	return 0, l.move(r, i, types.InstanceStateNameStopped, nil)
}

// remove takes the machine away and then gives back what the instance had.
func (l *lifecycle) remove(ctx context.Context, r *region, i *instanceRow) (time.Duration, error) {
	l.known(*i.InstanceId, false)
	if l.svc.machines != nil {
		if err := l.svc.machines.Remove(ctx, *i.InstanceId); err != nil {
			return 0, fmt.Errorf("removing the machine of instance %s: %w", *i.InstanceId, err)
		}
	}
	if d := l.wait(i); d > 0 {
		return d, nil
	}
	return 0, l.move(r, i, types.InstanceStateNameTerminated, func(tx *txn) {
		r.release(tx, *i.InstanceId)
	})
}

// forget drops a terminated instance when its hour is over.
func (l *lifecycle) forget(r *region, i *instanceRow) (time.Duration, error) {
	if d := i.Ended.Add(terminatedVisible).Sub(l.svc.now()); d > 0 {
		return min(d, terminatedVisible), nil
	}
	return 0, r.update(func(tx *txn) error {
		r.instances.drop(tx, *i.InstanceId)
		if i.SpotInstanceRequestId != nil {
			r.spots.drop(tx, *i.SpotInstanceRequestId)
		}
		r.fleetLost(tx, i.FleetID)
		return nil
	})
}

// move stores the next state unless a call has moved the instance meanwhile.
func (l *lifecycle) move(r *region, seen *instanceRow, name types.InstanceStateName, more func(*txn)) error {
	return r.update(func(tx *txn) error {
		now := r.instances.get(*seen.InstanceId)
		if now == nil || now.State.Name != seen.State.Name {
			return nil
		}
		if more != nil {
			more(tx)
		}
		r.to(tx, now, name, func(i *instanceRow) {
			if name == types.InstanceStateNameTerminated {
				i.Ended = l.svc.now()
			}
		})
		return nil
	})
}

// release gives back the interfaces, volumes and addresses of an instance that is gone.
func (r *region) release(tx *txn, id string) {
	for _, n := range r.nics(id) {
		if value(n.Attachment.DeleteOnTermination) {
			r.dropInterface(tx, n)
		} else {
			r.detach(tx, n)
		}
	}
	for _, v := range r.volumesOf(id) {
		a := v.attachment(id, r.svc.now())
		if a != nil && value(a.DeleteOnTermination) {
			r.volumes.drop(tx, *v.VolumeId)
		} else {
			r.volumes.put(tx, *v.VolumeId, v.detached(id))
		}
	}
	r.blackhole(tx, func(route types.Route) bool { return str(route.InstanceId) == id })
}

// sweepEvery is how often leftovers of time are cleared: old client tokens, ended NAT gateways.
const sweepEvery = 10 * time.Minute

func (l *lifecycle) sweep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.svc.clock.After(sweepEvery):
			l.svc.each(func(r *region) { _ = r.update(func(tx *txn) error { r.clear(tx, l.svc.now()); return nil }) })
		}
	}
}

// clear drops rows whose time is over.
func (r *region) clear(tx *txn, now time.Time) {
	for key, t := range r.tokens.rows {
		if t.Expires.Before(now) {
			r.tokens.drop(tx, key)
		}
	}
	for id, n := range r.nats.rows {
		if n.DeleteTime != nil && n.DeleteTime.Add(deletedNATVisible).Before(now) {
			r.nats.drop(tx, id)
		}
	}
}
