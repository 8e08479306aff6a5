package ipam

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	start   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	compare = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}
)

func prefixes(texts ...string) (sources []Source) {
	for _, text := range texts {
		sources = append(sources, Source{Prefix: netip.MustParsePrefix(text)})
	}
	return sources
}

func key(n int) Key { return Key{ContainerID: fmt.Sprint("c", n), IfName: "eth0"} }

func mustAdd(t *testing.T, p *Pool, at time.Time, n int) netip.Addr {
	t.Helper()
	a, err := p.Add(at, key(n), Owner{Namespace: "ns", Pod: fmt.Sprint("p", n)}, nil)
	if err != nil {
		t.Fatalf("adding %d: %v", n, err)
	}
	return a.Address
}

func TestAddIsIdempotentAndInOrder(t *testing.T) {
	p := New(Snapshot{Sources: prefixes("10.0.0.16/28", "10.0.0.48/28")})
	first := mustAdd(t, p, start, 1)
	if first.String() != "10.0.0.16" || mustAdd(t, p, start, 1) != first {
		t.Errorf("first address %v is not stable", first)
	}
	for n := 2; n <= 16; n++ {
		mustAdd(t, p, start, n)
	}
	if got := mustAdd(t, p, start, 17).String(); got != "10.0.0.48" {
		t.Errorf("17th address is %s, want the second prefix's first", got)
	}
}

func TestReleasedAddressCoolsDown(t *testing.T) {
	p := New(Snapshot{Sources: prefixes("10.0.0.7/32")})
	mustAdd(t, p, start, 1)
	p.Remove(start, key(1))

	_, err := p.Add(start.Add(Cooldown-1), key(2), Owner{}, nil)
	var none *NoAddressError
	if !errors.As(err, &none) || none.Cooling != 1 {
		t.Fatalf("address given out before its cool-down is over: %v", err)
	}
	if got := mustAdd(t, p, start.Add(Cooldown), 2).String(); got != "10.0.0.7" {
		t.Errorf("got %s", got)
	}
}

func TestReuseTakesTheLongestFree(t *testing.T) {
	p := New(Snapshot{Sources: prefixes("10.0.0.0/31")})
	mustAdd(t, p, start, 0)
	mustAdd(t, p, start, 1)
	p.Remove(start.Add(1*time.Second), key(1))
	p.Remove(start.Add(2*time.Second), key(0))
	if got := mustAdd(t, p, start.Add(time.Hour), 2).String(); got != "10.0.0.1" {
		t.Errorf("got %s, want the address that was released first", got)
	}
}

func TestWithdrawnSourceKeepsItsPods(t *testing.T) {
	p := New(Snapshot{Sources: prefixes("10.0.0.16/28", "10.0.0.32/28")})
	mustAdd(t, p, start, 1)
	p.SetSources(prefixes("10.0.0.32/28"))
	if got := mustAdd(t, p, start, 2).String(); got != "10.0.0.32" {
		t.Errorf("got %s from a withdrawn prefix", got)
	}
	if a, ok := p.Get(key(1)); !ok || a.Address.String() != "10.0.0.16" {
		t.Errorf("attachment of a withdrawn prefix is lost: %v %v", a, ok)
	}
}

func TestSnapshotSurvivesJSON(t *testing.T) {
	p := New(Snapshot{Sources: prefixes("10.0.0.16/28")})
	mustAdd(t, p, start, 1)
	mustAdd(t, p, start, 2)
	p.Remove(start, key(1))
	data, err := json.Marshal(p.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var restored Snapshot
	if err := json.Unmarshal(data, &restored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Snapshot(), New(restored).Snapshot(), compare); diff != "" {
		t.Error(diff)
	}
}

func TestHostPortConflict(t *testing.T) {
	p := New(Snapshot{Sources: prefixes("10.0.0.16/28")})
	port := PortMapping{HostPort: 80, ContainerPort: 8080, Protocol: "tcp"}
	if _, err := p.Add(start, key(1), Owner{Namespace: "a", Pod: "b"}, []PortMapping{port}); err != nil {
		t.Fatal(err)
	}
	port.HostIP = "10.0.0.1"
	_, err := p.Add(start, key(2), Owner{}, []PortMapping{port})
	if err == nil || err.Error() != "host port 80/tcp is already in use by pod a/b" {
		t.Errorf("got %v", err)
	}
	port.Protocol = "udp"
	if _, err := p.Add(start, key(3), Owner{}, []PortMapping{port}); err != nil {
		t.Error(err)
	}
}

func TestStatsAndSweep(t *testing.T) {
	p := New(Snapshot{Sources: prefixes("10.0.0.16/28", "10.0.0.3/32")})
	mustAdd(t, p, start, 1)
	mustAdd(t, p, start, 2)
	p.Remove(start, key(1))
	if diff := cmp.Diff(Stats{Total: 17, Used: 1, Cooling: 1}, p.Stats(start)); diff != "" {
		t.Error(diff)
	}
	p.Sweep(start.Add(Cooldown))
	if got := p.Stats(start); got.Cooling != 0 {
		t.Errorf("still cooling: %+v", got)
	}
}
