package vpc

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), rewrite with -update:\n%s", path, diff)
	}
}

var (
	anywhere = netip.MustParsePrefix("0.0.0.0/0")
	all      = Rule{Protocol: "-1", CIDR: anywhere}
)

// twoTier is a VPC with a public and a private subnet; web may be reached from anywhere, db only from web.
func twoTier() Network {
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	return Network{
		ID:    "vpc-1",
		CIDRs: []netip.Prefix{p("10.31.0.0/16")},
		Subnets: []Subnet{
			{ID: "subnet-a", CIDR: p("10.31.0.0/20"), RouteTableID: "rtb-public"},
			{ID: "subnet-b", CIDR: p("10.31.16.0/20"), RouteTableID: "rtb-private"},
		},
		RouteTables: []RouteTable{
			{ID: "rtb-public", Routes: []Route{{Destination: anywhere, Target: TargetInternetGateway, TargetID: "igw-1"}}},
			{ID: "rtb-private"},
		},
		Interfaces: []Interface{
			{ID: "eni-web", MAC: "02:00:00:00:00:01", SubnetID: "subnet-a", Address: a("10.31.0.10"), Groups: []string{"sg-web"}, SourceDestCheck: true,
				Secondary: []netip.Addr{a("10.31.0.11")}, Prefixes: []netip.Prefix{p("10.31.0.64/28")}, Name: "eth0"},
			{ID: "eni-db", MAC: "02:00:00:00:00:02", SubnetID: "subnet-b", Address: a("10.31.16.10"), Groups: []string{"sg-db"}, SourceDestCheck: true, Name: "eth0"},
			{ID: "eni-web2", MAC: "02:00:00:00:00:03", SubnetID: "subnet-a", Address: a("10.31.0.20"), Groups: []string{"sg-web", "sg-gone"}, Name: "eth0"},
		},
		SecurityGroups: []SecurityGroup{
			{ID: "sg-web", Egress: []Rule{all}, Ingress: []Rule{
				{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: anywhere},
				{Protocol: "icmp", FromPort: 8, ToPort: -1, CIDR: p("10.31.0.0/16")},
				{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: p("::/0")},
			}},
			{ID: "sg-db", Ingress: []Rule{
				{Protocol: "tcp", FromPort: 5432, ToPort: 5440, Group: "sg-web"},
				{Protocol: "udp", FromPort: 0, ToPort: 65535, Group: "sg-web"},
				{Protocol: "47", CIDR: anywhere},
			}},
		},
	}
}

func TestRenderRules(t *testing.T) {
	n := twoTier()
	plan := planRouter(n, n.Interfaces, netip.MustParseAddr("169.254.64.0"))
	golden(t, "two-tier.nft", renderRules(n, plan.Devices, netip.MustParseAddr("169.254.64.0")))
	golden(t, "empty.nft", renderRules(Network{ID: "vpc-2"}, nil, netip.MustParseAddr("169.254.64.2")))
	golden(t, "host.nft", renderHostRules("/var/lib/automode"))
}
