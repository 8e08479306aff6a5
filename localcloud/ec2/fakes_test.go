package ec2_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/automode-dev/automode/localcloud/ec2"
	"github.com/automode-dev/automode/localcloud/machine"
	"github.com/automode-dev/automode/localcloud/vpc"
)

// oneProfile is an IAM with the instance profile "node" and its role "node".
type oneProfile struct{}

func (oneProfile) InstanceProfile(_ context.Context, name string) (ec2.Profile, error) {
	if name != "node" && !strings.HasSuffix(name, "/node") {
		return ec2.Profile{}, ec2.ErrNoSuchProfile
	}
	return ec2.Profile{ARN: "arn:aws:iam::111122223333:instance-profile/node", ID: "AIPANODE", Name: "node",
		RoleARN: "arn:aws:iam::111122223333:role/node", RoleName: "node"}, nil
}

func (oneProfile) RoleCredentials(context.Context, string, string) (ec2.Credentials, error) {
	return ec2.Credentials{AccessKeyID: "ASIANODE", SecretAccessKey: "secret", Token: "token", Expiration: time.Unix(2e9, 0)}, nil
}

// world is a fabric and machines that only remember; broken makes them fail.
type world struct {
	mu       sync.Mutex
	machines map[string]machine.Spec
	networks map[string]vpc.Network
	ensured  map[string]int
	stopped  []string
	broken   bool
	// gate, where set, is waited for before anything is removed.
	gate chan struct{}
}

func newWorld() *world {
	return &world{machines: map[string]machine.Spec{}, networks: map[string]vpc.Network{}, ensured: map[string]int{}}
}

func (w *world) use(o *ec2.Options) {
	o.Fabric, o.Machines, o.Namespaces = fabric{w}, machines{w}, spaces{w}
}

func (w *world) setBroken(broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = broken
}

func (w *world) network(id string) vpc.Network {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.networks[id]
}

func (w *world) machine(id string) (machine.Spec, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	spec, ok := w.machines[id]
	return spec, ok
}

var errBroken = errors.New("broken")

type fabric struct{ *world }

func (w fabric) Apply(_ context.Context, n vpc.Network) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return errBroken
	}
	w.networks[n.ID] = n
	return nil
}

func (w fabric) Remove(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.networks, id)
	return nil
}

type machines struct{ *world }

func (w machines) NetNS(id string) string { return "/run/netns/" + id }

func (w machines) Ensure(_ context.Context, s machine.Spec) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return errBroken
	}
	w.machines[s.ID] = s
	w.ensured[s.ID]++
	return nil
}

func (w machines) Stop(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = append(w.stopped, id)
	return nil
}

func (w machines) Remove(ctx context.Context, id string) error {
	if w.gate != nil {
		select {
		case <-w.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.machines, id)
	return nil
}

func (w machines) Console(context.Context, string) ([]byte, error) { return []byte("hello\n"), nil }

type spaces struct{ *world }

func (w spaces) Make(name string) (string, error) { return "/run/netns/" + name, nil }
func (w spaces) Remove(string) error              { return nil }

func (w *world) wasStopped(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.stopped, id)
}
