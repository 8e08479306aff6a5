package vpc

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestPlanRouter(t *testing.T) {
	n := twoTier()
	n.RouteTables[1].Routes = []Route{
		{Destination: netip.MustParsePrefix("10.99.0.0/16"), Target: TargetInterface, TargetID: "eni-web2"},
		{Destination: netip.MustParsePrefix("10.98.0.0/16"), Target: TargetInterface, TargetID: "eni-gone"},
		{Destination: netip.MustParsePrefix("10.97.0.0/16"), Target: TargetBlackhole},
	}
	p := planRouter(n, n.Interfaces, netip.MustParseAddr("169.254.64.0"))
	var b strings.Builder
	for _, g := range p.Gateways {
		fmt.Fprintf(&b, "gateway %s\n", g)
	}
	for _, r := range p.Routes {
		fmt.Fprintf(&b, "table %d: %s", r.Table, r.Dst)
		switch {
		case r.Blackhole:
			b.WriteString(" blackhole")
		case r.Via.IsValid():
			fmt.Fprintf(&b, " via %s dev %s", r.Via, r.Device)
		default:
			fmt.Fprintf(&b, " dev %s", r.Device)
		}
		b.WriteByte('\n')
	}
	golden(t, "two-tier.routes", b.String())
}

func TestNames(t *testing.T) {
	for _, id := range []string{"eni-0123456789abcdef0", "eni-1", "eni-0fedcba9876543210"} {
		if got := routerDevice(id); len(got) > maxDeviceName {
			t.Errorf("routerDevice(%q) = %q, longer than %d", id, got, maxDeviceName)
		}
	}
	a, b := hostDevice("/one", "vpc-1"), hostDevice("/two", "vpc-1")
	if a == b || len(a) > maxDeviceName || !strings.HasPrefix(a, hostPrefix("/one")) {
		t.Errorf("hostDevice: %q and %q", a, b)
	}
}

func TestUplinkPairs(t *testing.T) {
	seen := map[netip.Addr]bool{}
	for a, b := range uplinkPairs("x") {
		if seen[a] || seen[b] || b != a.Next() || !uplinks.Contains(a) || !uplinks.Contains(b) {
			t.Fatalf("bad pair %s, %s", a, b)
		}
		seen[a], seen[b] = true, true
	}
	if len(seen) != 1<<14 {
		t.Errorf("got %d addresses, want all %d", len(seen), 1<<14)
	}
}
