package controlplane

import (
	"encoding/base64"
	"fmt"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/automode-dev/automode/controlplane/pki"
)

// Kubeconfig returns a client configuration for user with groups: a certificate
// valid for ttl, with cluster and context named after the cluster. The server is
// the API server's port on the host when empty.
func (m *Manager) Kubeconfig(name, user string, groups []string, server string, ttl time.Duration) ([]byte, error) {
	p, _ := m.find(name)
	if p == nil {
		return nil, fmt.Errorf("making kubeconfig: control plane %q is not running", name)
	}
	if server == "" {
		server = p.spec.endpoint()
	}
	bundle, err := p.certs.cluster.Bundle()
	if err != nil {
		return nil, fmt.Errorf("making kubeconfig for %q: %w", user, err)
	}
	cert, key, err := p.certs.cluster.Issue(pki.Leaf{CommonName: user, Groups: groups, Usage: pki.Client}, ttl)
	if err != nil {
		return nil, fmt.Errorf("making kubeconfig for %q: %w", user, err)
	}
	return yaml.Marshal(kubeconfig(name,
		object{"server": server, "certificate-authority-data": base64.StdEncoding.EncodeToString(bundle)},
		object{
			"client-certificate-data": base64.StdEncoding.EncodeToString(cert),
			"client-key-data":         base64.StdEncoding.EncodeToString(key),
		}))
}
