package simulate

import (
	"net/netip"
	"slices"
)

// addresses hands out the pod addresses of one node. The search goes round, so that an address that was just given back
// comes last.
type addresses struct {
	pods map[netip.Addr]string // address -> pod that has it
	all  []netip.Addr
	next int
}

// provide replaces the addresses that there are. Pods keep theirs, whatever becomes of its prefix.
func (a *addresses) provide(prefixes []netip.Prefix) {
	a.all = a.all[:0]
	for _, p := range prefixes {
		for addr := p.Masked().Addr(); p.Contains(addr); addr = addr.Next() {
			a.all = append(a.all, addr)
		}
	}
	slices.SortFunc(a.all, netip.Addr.Compare)
	a.all = slices.Compact(a.all)
	a.next = 0
}

// take gives a pod an address: the one it has, or a free one; none where all are taken.
func (a *addresses) take(pod string) (netip.Addr, bool) {
	for i := range a.all {
		addr := a.all[(a.next+i)%len(a.all)]
		if a.pods[addr] == "" {
			a.next = (a.next + i + 1) % len(a.all)
			a.hold(pod, addr)
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// hold notes that a pod has an address.
func (a *addresses) hold(pod string, addr netip.Addr) {
	if a.pods == nil {
		a.pods = map[netip.Addr]string{}
	}
	a.pods[addr] = pod
}

// release gives back the address of a pod.
func (a *addresses) release(pod string, addr netip.Addr) {
	if a.pods[addr] == pod {
		delete(a.pods, addr)
	}
}
