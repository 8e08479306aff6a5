package ec2

import (
	"net/netip"
	"testing"
)

func TestPool(t *testing.T) {
	p := newPool(netip.MustParsePrefix("10.0.0.0/26"))
	if p.free != 64-5 {
		t.Errorf("%d addresses free, want 59", p.free)
	}
	if a, ok := p.address(); !ok || a.String() != "10.0.0.4" {
		t.Errorf("first address %s", a)
	}
	// The first and the last /28 hold reserved addresses; two are left.
	for _, want := range []string{"10.0.0.32/28", "10.0.0.16/28"} {
		prefix, ok := p.prefix()
		if !ok || prefix.String() != want {
			t.Fatalf("got prefix %s, want %s", prefix, want)
		}
		p.set(prefix, true)
	}
	if prefix, ok := p.prefix(); ok {
		t.Errorf("got prefix %s out of a full subnet", prefix)
	}
	if p.free != 59-32 {
		t.Errorf("%d addresses free, want 27", p.free)
	}
	p.set(netip.MustParsePrefix("10.0.0.16/28"), false)
	p.set(netip.MustParsePrefix("10.0.0.20/32"), true)
	if prefix, ok := p.prefix(); ok {
		t.Errorf("got prefix %s though one address of it is taken", prefix)
	}
	if p.available(netip.MustParsePrefix("10.0.0.16/28")) || !p.available(netip.MustParsePrefix("10.0.0.21/32")) {
		t.Error("availability is wrong")
	}
}

func TestPoolHandsOutEveryAddressOnce(t *testing.T) {
	p := newPool(netip.MustParsePrefix("10.1.0.0/24"))
	seen := map[netip.Addr]bool{}
	for {
		a, ok := p.address()
		if !ok {
			break
		}
		if seen[a] {
			t.Fatalf("%s given twice", a)
		}
		seen[a] = true
		p.set(netip.PrefixFrom(a, 32), true)
	}
	if len(seen) != 251 || p.free != 0 {
		t.Errorf("%d addresses given, %d free", len(seen), p.free)
	}
}

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"*", "", true}, {"*", "anything", true}, {"a*c", "abbc", true}, {"a*c", "abbd", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{`a\*c`, "a*c", true}, {`a\*c`, "abc", false}, {"", "", true}, {"a", "", false}, {"*a*b*", "xaxbx", true}, {"eks-cluster-sg*", "eks-cluster-sg-x-1", true},
	} {
		if got := wildcard(c.pattern, c.value); got != c.want {
			t.Errorf("wildcard(%q, %q) = %v", c.pattern, c.value, got)
		}
	}
}

func TestWellFormed(t *testing.T) {
	for id, want := range map[string]bool{"i-0123456789abcdef0": true, "i-12345678": true, "i-0123": false, "foo": false, "vol-12345678": false, "i-0123456789ABCDEF0": false} {
		if got := wellFormed("i", id); got != want {
			t.Errorf("wellFormed(i, %q) = %v", id, got)
		}
	}
	for prefix := range kinds {
		if id := newID(prefix); !wellFormed(prefix, id) {
			t.Errorf("new id %q is not well formed", id)
		}
	}
}
