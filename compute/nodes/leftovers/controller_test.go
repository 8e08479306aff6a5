package leftovers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/labels"
)

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// account is a cloud that writes down what is taken away from it.
type account struct {
	instances []compute.Instance
	templates map[string]time.Time
	ended     []string
	deleted   []string
	fails     error // of each call that changes something
}

func (a *account) Instances(context.Context) ([]compute.Instance, error) { return a.instances, nil }

func (a *account) Terminate(_ context.Context, id string) error {
	if a.fails == nil {
		a.ended = append(a.ended, id)
	}
	return a.fails
}

func (a *account) LaunchTemplates(context.Context) (map[string]time.Time, error) {
	return a.templates, nil
}

func (a *account) DeleteLaunchTemplate(_ context.Context, name string) error {
	if a.fails == nil {
		a.deleted = append(a.deleted, name)
	}
	return a.fails
}

// launches are those of a process: claims by instance, and templates in use.
type launches struct {
	claims    map[string]string
	templates []string
}

func (l launches) LaunchedFor(instance string) string { return l.claims[instance] }
func (l launches) TemplateInUse(name string) bool     { return slices.Contains(l.templates, name) }

func claim(name, providerID string) client.Object {
	c := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.Status.ProviderID = providerID
	return c
}

func instance(id string, age time.Duration) compute.Instance {
	return compute.Instance{ID: id, State: "running", Launched: now.Add(-age)}
}

func newController(a *account, l launches, claims ...client.Object) *Controller {
	kube := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(claims...).Build()
	return NewController(kube, a, l, testclock.NewFakeClock(now))
}

// lookTwice has the controller look as often as it needs to be sure.
func lookTwice(t *testing.T, c *Controller) {
	t.Helper()
	for range 2 {
		if err := c.Instances(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInstances(t *testing.T) {
	going := instance("i-0000000000000going", time.Hour)
	going.State = "shutting-down"
	a := &account{instances: []compute.Instance{
		instance("i-00000000000claimed", time.Hour),
		instance("i-0000000000leftover", time.Hour),
		instance("i-0000000000000young", grace-time.Second),
		instance("i-000000000000learns", time.Hour),
		instance("i-0000000000forgiven", time.Hour),
		going,
	}}
	c := newController(a, launches{claims: map[string]string{"i-000000000000learns": "slow", "i-0000000000forgiven": "gone"}},
		claim("ready", "aws:///us-east-1a/i-00000000000claimed"), claim("slow", ""))
	lookTwice(t, c)
	if diff := cmp.Diff([]string{"i-0000000000leftover", "i-0000000000forgiven"}, a.ended); diff != "" {
		t.Errorf("terminated (-want +got):\n%s", diff)
	}
}

// A claim that has its own instance does not speak for another one that was launched for it too.
func TestSecondInstanceOfAClaim(t *testing.T) {
	a := &account{instances: []compute.Instance{instance("i-00000000000000first", time.Hour), instance("i-0000000000000second", time.Hour)}}
	c := newController(a, launches{claims: map[string]string{"i-00000000000000first": "twice", "i-0000000000000second": "twice"}},
		claim("twice", "aws:///us-east-1a/i-0000000000000second"))
	lookTwice(t, c)
	if diff := cmp.Diff([]string{"i-00000000000000first"}, a.ended); diff != "" {
		t.Errorf("terminated (-want +got):\n%s", diff)
	}
}

// The claim of an instance that ends as it should may go just after the cloud was asked.
func TestInstanceThatEndsDuringALook(t *testing.T) {
	a := &account{instances: []compute.Instance{instance("i-0000000000leftover", time.Hour)}}
	c := newController(a, launches{})
	if err := c.Instances(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.instances = nil
	if err := c.Instances(t.Context()); err != nil || len(a.ended) > 0 {
		t.Errorf("terminated %v, %v", a.ended, err)
	}
}

// A kubelet that registers after its instance has lost its claim leaves a Node behind.
func TestNodes(t *testing.T) {
	node := func(name, computeType string, age time.Duration) client.Object {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-age)), Labels: map[string]string{labels.ComputeType: computeType}}}
		n.Spec.ProviderID = "aws:///us-east-1a/" + name
		return n
	}
	a := &account{instances: []compute.Instance{instance("i-00000000000claimed", time.Hour), instance("i-0000000000leftover", time.Hour)}}
	c := newController(a, launches{},
		claim("ready", "aws:///us-east-1a/i-00000000000claimed"), node("i-00000000000claimed", "auto", time.Hour),
		claim("dying", "aws:///us-east-1a/i-000000000000dying"), node("i-000000000000dying", "auto", time.Hour),
		node("i-0000000000leftover", "auto", time.Hour), // its instance is only about to go
		node("i-0000000000000gone", "auto", time.Hour),
		node("i-000000000000young", "auto", grace-time.Second),
		node("i-000000000somebody", "", time.Hour))
	if err := c.Instances(context.Background()); err != nil {
		t.Fatal(err)
	}
	left := &corev1.NodeList{}
	if err := c.kube.List(context.Background(), left); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range left.Items {
		names = append(names, n.Name)
	}
	if diff := cmp.Diff([]string{"i-000000000000dying", "i-000000000000young", "i-00000000000claimed", "i-0000000000leftover", "i-000000000somebody"}, names); diff != "" {
		t.Errorf("nodes left (-want +got):\n%s", diff)
	}
}

func TestInstancesThatAreGoneAlready(t *testing.T) {
	a := &account{instances: []compute.Instance{instance("i-0000000000leftover", time.Hour)}, fails: &compute.Failure{Kind: compute.NotFound}}
	c := newController(a, launches{})
	lookTwice(t, c)
	a.fails = errors.New("no")
	if err := c.Instances(context.Background()); err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("an instance that cannot be ended: %v", err)
	}
}

func TestTemplates(t *testing.T) {
	a := &account{templates: map[string]time.Time{"used": now.Add(-time.Hour), "new": now.Add(-templateAge + time.Second), "old": now.Add(-time.Hour)}}
	c := newController(a, launches{templates: []string{"used"}})
	if err := c.Templates(context.Background()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"old"}, a.deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	a.fails = errors.New("no")
	if err := c.Templates(context.Background()); err == nil {
		t.Error("want the error of a template that stays")
	}
}

// Looks come every quarter of a minute; templates are looked at less often.
func TestStart(t *testing.T) {
	a := &account{instances: []compute.Instance{instance("i-0000000000leftover", time.Hour)}, templates: map[string]time.Time{"old": now.Add(-time.Hour)}}
	c := newController(a, launches{})
	clock := c.clock.(*testclock.FakeClock)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Start(ctx) }()
	waits := func() {
		for !clock.HasWaiters() {
			time.Sleep(time.Millisecond)
		}
	}
	waits()
	clock.Step(lookEvery)
	waits()
	clock.Step(lookEvery)
	waits()
	if len(a.ended) != 1 || len(a.deleted) != 0 {
		t.Errorf("after two looks: ended %v, deleted %v", a.ended, a.deleted)
	}
	clock.Step(templatesEvery)
	waits()
	if len(a.deleted) != 1 {
		t.Errorf("after %s: deleted %v", templatesEvery, a.deleted)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
