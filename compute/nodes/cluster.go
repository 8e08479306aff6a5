package nodes

import (
	"fmt"
	"net/netip"
)

// Cluster is what nodes have to know about the cluster they join.
type Cluster struct {
	Name                 string
	Region               string
	Version              string // Kubernetes minor, "1.35"
	Endpoint             string
	CertificateAuthority []byte // PEM
	ServiceCIDR          string
	// Images are known image ids by the name of the public parameter that would tell them.
	Images map[string]string
	// OpensNodes tells that nodes are to register with state.ClosedTaint, because a controller takes it away.
	OpensNodes bool
}

// DNSAddress is the address that pods ask for names: the tenth of the service network.
func (c Cluster) DNSAddress() (string, error) {
	prefix, err := netip.ParsePrefix(c.ServiceCIDR)
	if err != nil {
		return "", fmt.Errorf("reading service network %q: %w", c.ServiceCIDR, err)
	}
	address := prefix.Masked().Addr()
	for range 10 {
		address = address.Next()
	}
	return address.String(), nil
}
