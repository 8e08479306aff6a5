package vpc

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"net/netip"
	"strings"

	"github.com/automode-dev/automode/internal/home"
)

// maxDeviceName is the longest name that the kernel gives a device.
const maxDeviceName = 15

// uplinkName is the router's end of the pair that leads to the host.
const uplinkName = "uplink"

func shortHash(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:n]
}

// hostPrefix begins the names of the host ends of all routers of a home: "am<home id>-".
func hostPrefix(h home.Dir) string { return "am" + h.ID() + "-" }

// hostDevice is the host's end of the pair that leads to a VPC's router.
func hostDevice(h home.Dir, vpcID string) string {
	p := hostPrefix(h)
	return p + shortHash(vpcID, maxDeviceName-len(p))
}

// hostTable is the nftables table on the host of all VPCs of a home.
func hostTable(h home.Dir) string { return "automode-" + h.ID() }

// routerDevice is the router's end of the pair of a network interface: "e" and the end of its id.
func routerDevice(interfaceID string) string {
	s := strings.TrimPrefix(interfaceID, "eni-")
	if len(s) > maxDeviceName-1 {
		s = s[len(s)-(maxDeviceName-1):]
	}
	return "e" + s
}

// tableNumber is the kernel routing table, and the packet mark leading to it, of a route table. It depends on the id
// alone, so that adding one does not renumber the others. Bit 30 keeps clear of the kernel's own tables.
func tableNumber(routeTableID string) int {
	h := fnv.New32a()
	h.Write([]byte(routeTableID))
	return int(h.Sum32()&0x3fffffff | 0x40000000)
}

// uplinks is where the address pairs between host and routers come from: a part of the link-local range clear of the
// addresses with a meaning (169.254.0-1.x, .169.x, .170.x, .172-175.x).
var uplinks = netip.MustParsePrefix("169.254.64.0/18")

// uplinkPairs yields every pair of uplink addresses (host end, router end), beginning at one that depends on the name.
func uplinkPairs(name string) func(yield func(host, router netip.Addr) bool) {
	h := fnv.New32a()
	h.Write([]byte(name))
	const pairs = 1 << (32 - 18 - 1)
	base := uplinks.Addr().As4()
	return func(yield func(host, router netip.Addr) bool) {
		for i := range uint32(pairs) {
			n := (h.Sum32() + i) % pairs * 2
			host := netip.AddrFrom4([4]byte{base[0], base[1], base[2] + byte(n>>8), byte(n)})
			if !yield(host, host.Next()) {
				return
			}
		}
	}
}
