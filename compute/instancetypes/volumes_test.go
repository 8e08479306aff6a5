package instancetypes

import (
	"testing"

	"github.com/automode-dev/automode/compute/catalog"
)

func TestVolumeLimits(t *testing.T) {
	nitro := func(limit int, kind string, addresses int) *catalog.Type {
		return &catalog.Type{Name: "a.large", Hypervisor: "nitro", EBS: catalog.EBS{MaxAttachments: limit, AttachmentType: kind},
			Network: catalog.Network{Interfaces: 4, IPv4PerInterface: addresses}}
	}
	for _, c := range []struct {
		name string
		t    *catalog.Type
		want int
	}{
		{"shared with one interface", nitro(27, "shared", 30), 25},
		{"shared with a prefix per interface", nitro(27, "shared", 2), 25},
		{"shared with more interfaces", nitro(27, "shared", 5), 25},
		{"dedicated", nitro(32, "dedicated", 5), 30},
		{"not said", nitro(0, "", 30), 25},
		{"xen", &catalog.Type{Hypervisor: "xen", Network: catalog.Network{Interfaces: 4, IPv4PerInterface: 30}}, 37},
		{"never none", nitro(2, "shared", 30), 1},
	} {
		if got := VolumeLimits(c.t)[EBSDriver]; got != c.want {
			t.Errorf("%s: %d volumes, want %d", c.name, got, c.want)
		}
	}
	if got, ok := catalog.Default().Type("c6a.large"); !ok || VolumeLimits(got)[EBSDriver] != 25 {
		t.Errorf("c6a.large: %v", VolumeLimits(got))
	}
}
