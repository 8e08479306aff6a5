package clusters

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestQuarter(t *testing.T) {
	for cidr, want := range map[string]string{
		"192.168.0.0/16": "[192.168.0.0/18 192.168.64.0/18 192.168.128.0/18 192.168.192.0/18]",
		"10.1.2.0/24":    "[10.1.2.0/26 10.1.2.64/26 10.1.2.128/26 10.1.2.192/26]",
	} {
		if got := fmt.Sprint(quarter(netip.MustParsePrefix(cidr))); got != want {
			t.Errorf("%s becomes %s, want %s", cidr, got, want)
		}
	}
}
