package imds

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

var launched = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// document is a spot instance with two interfaces, about to be interrupted.
func document() Document {
	a, p := netip.MustParseAddr, netip.MustParsePrefix
	return Document{
		InstanceID: "i-0123456789abcdef0", InstanceType: "c6a.large", ImageID: "ami-1", ReservationID: "r-1", Account: "111122223333", Region: "us-east-1",
		Zone: "us-east-1a", ZoneID: "use1-az1", Architecture: "x86_64", LifeCycle: "spot", PrivateDNSName: "ip-10-0-0-5.ec2.internal", PendingTime: launched,
		SecurityGroups: []string{"default", "web"}, UserData: []byte("hello"), Tags: map[string]string{"Name": "one", "a/b": "two"}, TagsInMetadata: true,
		Interfaces: []Interface{
			{ID: "eni-1", MAC: "02:00:00:00:00:01", OwnerID: "111122223333", Addresses: []netip.Addr{a("10.0.0.5"), a("10.0.0.6")},
				Prefixes: []netip.Prefix{p("10.0.0.16/28"), p("10.0.0.32/28")}, SubnetID: "subnet-1", SubnetCIDR: p("10.0.0.0/24"), VPCID: "vpc-1",
				VPCCIDRs: []netip.Prefix{p("10.0.0.0/16"), p("10.1.0.0/16")}, SecurityGroupIDs: []string{"sg-1", "sg-2"}, PublicIPv4: "198.51.100.1"},
			{ID: "eni-2", MAC: "02:00:00:00:00:02", DeviceIndex: 1, Addresses: []netip.Addr{a("10.0.0.7")}, SubnetID: "subnet-1", SubnetCIDR: p("10.0.0.0/24")},
		},
		Volumes:    map[string]string{"ami": "xvda", "root": "/dev/xvda", "ebs1": "xvdb"},
		SpotAction: &SpotAction{Action: "terminate", Time: launched.Add(time.Hour)}, RebalanceNotice: launched.Add(time.Minute),
		Maintenance: []ScheduledEvent{{EventID: "instance-event-1", Code: "instance-retirement", Description: "degraded", State: "active", NotBefore: launched}},
		ProfileARN:  "arn:aws:iam::111122223333:instance-profile/node", ProfileID: "AIPA1", RoleName: "node",
		Credentials: &Credentials{AccessKeyID: "ASIA1", SecretAccessKey: "secret", Token: "token", LastUpdated: launched, Expiration: launched.Add(6 * time.Hour)},
	}
}

func TestRender(t *testing.T) {
	tree := Render(document())
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		fmt.Fprintf(&b, "%s\n\t%s\n", path, strings.ReplaceAll(tree[path], "\n", "\n\t"))
	}
	path := filepath.Join("testdata", "tree.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s differs (-want +got), rewrite with -update:\n%s", path, diff)
	}
}

func TestLookup(t *testing.T) {
	tree := Render(document())
	for path, want := range map[string]string{
		"/":                                    "dynamic/\nmeta-data/\nuser-data",
		"/meta-data/instance-id":               "i-0123456789abcdef0",
		"/meta-data/instance-id/":              "i-0123456789abcdef0",
		"/meta-data/placement":                 "availability-zone\navailability-zone-id\nregion",
		"/meta-data/tags/instance":             "Name\na/b",
		"/meta-data/tags/instance/a/b":         "two",
		"/meta-data/network/interfaces/macs/":  "02:00:00:00:00:01/\n02:00:00:00:00:02/",
		"/meta-data/iam/security-credentials/": "node",
		"/meta-data/network/interfaces/macs/02:00:00:00:00:01/vpc-ipv4-cidr-blocks": "10.0.0.0/16\n10.1.0.0/16",
	} {
		if got, found := tree.Lookup(path); !found || got != want {
			t.Errorf("Lookup(%q) = %q, %v; want %q", path, got, found, want)
		}
	}
	for _, path := range []string{"/meta-data/nothing", "/meta-data/instance", "/meta-data/public-keys/"} {
		if got, found := tree.Lookup(path); found {
			t.Errorf("Lookup(%q) = %q, want nothing", path, got)
		}
	}
}
