package controlplane

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"time"

	"github.com/automode-dev/automode/controlplane/pki"
)

// kubeletClient is the user that the API server is to kubelets.
const kubeletClient = "kube-apiserver-kubelet-client"

// certificates are the authorities, certificates and keys of one cluster.
type certificates struct {
	// cluster signs and verifies users and servers of the Kubernetes API and of
	// kubelets; frontProxy the API server towards aggregated APIs; etcd both
	// sides of etcd. They are apart so that a user certificate opens nothing else.
	cluster, frontProxy, etcd *pki.Authority

	apiServer, kubeletClient, frontProxyClient pki.Files
	etcdServer, etcdPeer, etcdClient           pki.Files
	controllerManager, scheduler               pki.Files
	controllerManagerServer, schedulerServer   pki.Files
	admin, probe                               pki.Files

	serviceAccountKey, serviceAccountPublic string
	encryptionKey                           string
}

// ensureCertificates makes what is missing and renews what runs out.
func ensureCertificates(s Spec, d directory) (*certificates, error) {
	store := pki.Directory{Path: d.pki(), Now: time.Now}
	c := &certificates{}
	for _, authority := range []struct {
		to               **pki.Authority
		name, commonName string
	}{
		{&c.cluster, "ca", "kubernetes"},
		{&c.frontProxy, "front-proxy-ca", "kubernetes-front-proxy"},
		{&c.etcd, "etcd-ca", "etcd"},
	} {
		var err error
		if *authority.to, err = store.EnsureAuthority(authority.name, authority.commonName); err != nil {
			return nil, err
		}
	}
	if err := c.ensureLeaves(s); err != nil {
		return nil, err
	}
	var err error
	if c.serviceAccountKey, c.serviceAccountPublic, err = store.EnsureSigningKey("service-account"); err != nil {
		return nil, err
	}
	secret, err := store.EnsureSecret("encryption.key", 32)
	if err != nil {
		return nil, err
	}
	c.encryptionKey = base64.StdEncoding.EncodeToString(secret)
	return c, nil
}

func (c *certificates) ensureLeaves(s Spec) error {
	loopback := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	server := func(name string) pki.Leaf {
		return pki.Leaf{CommonName: name, Usage: pki.Server, DNSNames: []string{"localhost"}, Addresses: loopback}
	}
	client := func(name string, groups ...string) pki.Leaf {
		return pki.Leaf{CommonName: name, Groups: groups, Usage: pki.Client}
	}
	both := server("etcd")
	both.Usage = pki.Server | pki.Client // etcd is a client of itself
	for _, leaf := range []struct {
		to        *pki.Files
		authority *pki.Authority
		name      string
		leaf      pki.Leaf
	}{
		{&c.apiServer, c.cluster, "kube-apiserver", apiServerLeaf(s)},
		{&c.kubeletClient, c.cluster, kubeletClient, client(kubeletClient)},
		{&c.frontProxyClient, c.frontProxy, "front-proxy-client", client("front-proxy-client")},
		{&c.etcdServer, c.etcd, "etcd-server", both},
		{&c.etcdPeer, c.etcd, "etcd-peer", both},
		{&c.etcdClient, c.etcd, "etcd-client", client("kube-apiserver")},
		{&c.controllerManager, c.cluster, "kube-controller-manager", client("system:kube-controller-manager")},
		{&c.controllerManagerServer, c.cluster, "kube-controller-manager-server", server("kube-controller-manager")},
		{&c.scheduler, c.cluster, "kube-scheduler", client("system:kube-scheduler")},
		{&c.schedulerServer, c.cluster, "kube-scheduler-server", server("kube-scheduler")},
		{&c.admin, c.cluster, "admin", client("automode:admin", "system:masters")},
		{&c.probe, c.cluster, "probe", client("automode:probe", "system:monitoring")},
	} {
		files, err := leaf.authority.Ensure(leaf.name, leaf.leaf)
		if err != nil {
			return fmt.Errorf("preparing certificate %s: %w", leaf.name, err)
		}
		*leaf.to = files
	}
	return nil
}

// apiServerLeaf lists every name by which the API server is reached.
func apiServerLeaf(s Spec) pki.Leaf {
	leaf := pki.Leaf{
		CommonName: "kube-apiserver", Usage: pki.Server,
		DNSNames: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost",
		},
		Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1"), s.ServiceCIDR.Masked().Addr().Next()},
	}
	if s.NetNS != "" {
		leaf.Addresses = append(leaf.Addresses, s.Address)
	}
	for _, name := range s.ExtraNames {
		if addr, err := netip.ParseAddr(name); err == nil {
			leaf.Addresses = append(leaf.Addresses, addr)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	return leaf
}
