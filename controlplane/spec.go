// Package controlplane starts, supervises and stops the Kubernetes processes of
// clusters: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and
// the port forwards that make them reachable. It keeps their certificates and
// configuration in one directory per cluster. It never decides which clusters
// there should be, and it knows nothing of nodes or of AWS.
package controlplane

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"k8s.io/client-go/rest"
)

// Spec is what the control plane of one cluster shall be.
type Spec struct {
	// Name is unique among the clusters of a manager and is a file name.
	Name string
	// Version is the Kubernetes minor version, such as "1.35".
	Version string
	// NetNS is the file of the network namespace to run in, its loopback
	// interface up. Without one everything listens on the host's 127.0.0.1.
	NetNS string
	// Address is the address in NetNS at which nodes reach the API server.
	Address netip.Addr
	// HostPort is where clients on the host reach the API server: 127.0.0.1:port.
	HostPort int
	// ServiceCIDR is the range of Service addresses.
	ServiceCIDR netip.Prefix
	// IssuerURL is the issuer of service account tokens.
	IssuerURL string
	// AuthenticatorURL answers TokenReviews for tokens that the API server does
	// not know itself. It is http on a loopback port of the host, and the same
	// port leads there inside NetNS.
	AuthenticatorURL string
	// ExtraNames are further DNS names and addresses of the API server.
	ExtraNames []string
	// Libexec is the directory that holds kubernetes-<version>/ directories.
	Libexec string
	// Automode is the automode binary, for the port forwards.
	Automode string
}

// Info is what a ready control plane tells.
type Info struct {
	// Endpoint is the URL of the API server on the host.
	Endpoint string
	// CertificateAuthority is the PEM bundle to verify the API server with.
	CertificateAuthority []byte
	// Admin is a client configuration with full rights. Its certificate is the
	// one of the Ensure that returned it, which renews it in time.
	Admin *rest.Config
}

// Validate says which value of the spec cannot be used, and why.
func (s Spec) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(s.Name != "" && s.Name == filepath.Base(s.Name) && !strings.HasPrefix(s.Name, "."), "name %q is not a file name", s.Name)
	check(s.HostPort > 0 && s.HostPort < 1<<16, "host port %d is not a port", s.HostPort)
	check(s.NetNS == "" || s.Address.Is4(), "address %s is not an IPv4 address", s.Address)
	check(s.ServiceCIDR.IsValid() && s.ServiceCIDR.Addr().Is4() && s.ServiceCIDR.Bits() <= 28, "service CIDR %s is not an IPv4 range of 16 addresses or more", s.ServiceCIDR)
	check(s.IssuerURL != "", "issuer URL is empty")
	_, err := s.authenticator()
	check(err == nil, "%w", err)
	check(s.NetNS == "" || filepath.IsAbs(s.Automode), "automode binary %q is not an absolute path", s.Automode)
	binary := s.binary("kubernetes")
	_, err = os.Stat(binary)
	check(err == nil, "Kubernetes %s is not built: %s is missing", s.Version, binary)
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("checking control plane %q: %w", s.Name, err)
	}
	return nil
}

// authenticator returns the loopback address behind AuthenticatorURL.
func (s Spec) authenticator() (string, error) {
	u, err := url.Parse(s.AuthenticatorURL)
	if err != nil {
		return "", fmt.Errorf("authenticator URL: %w", err)
	}
	addr, err := netip.ParseAddrPort(u.Host)
	if err != nil || u.Scheme != "http" || !addr.Addr().IsLoopback() {
		return "", fmt.Errorf("authenticator URL %q is not http on a loopback address and port", s.AuthenticatorURL)
	}
	return u.Host, nil
}

// binary returns the path of a component.
func (s Spec) binary(component string) string {
	return filepath.Join(s.Libexec, "kubernetes-"+s.Version, component)
}

// endpoint is the API server as seen from the host.
func (s Spec) endpoint() string {
	return "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.HostPort))
}

// directory holds the files of one cluster.
type directory string

func (d directory) path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}
func (d directory) pki() string                 { return d.path("pki") }
func (d directory) data() string                { return d.path("etcd") }
func (d directory) log(component string) string { return d.path("logs", component+".log") }
func (d directory) config(name string) string   { return d.path("run", name) }
func (d directory) units() string               { return d.path("run", "units") }
