package datapath

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/automode-dev/automode/network/ipam"
)

var update = flag.Bool("update", false, "rewrite the expected tables under testdata")

func TestRender(t *testing.T) {
	vpc := []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("100.64.0.0/16")}
	address := netip.MustParseAddr("192.168.1.5")
	tcp := func(host string, port int) PortRule {
		return PortRule{Port: ipam.PortMapping{HostIP: host, HostPort: port, ContainerPort: 80, Protocol: "tcp"}, Address: netip.MustParseAddr("192.168.3.4")}
	}
	for name, rules := range map[string]Rules{
		"random":    {Uplink: "eth0", NodeAddress: address, Local: vpc, SNAT: true},
		"disabled":  {Uplink: "eth0", NodeAddress: address, Local: vpc},
		"hostports": {Uplink: "eth0", NodeAddress: address, Local: vpc, SNAT: true, Ports: []PortRule{tcp("", 8080), tcp("192.168.1.5", 8081)}},
		"secondary": {Uplink: "eth0", NodeAddress: address, Local: vpc, SNAT: true, Secondary: true},
		"nothing":   {},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".nft")
			got := rules.Render()
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
