package serve

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/automode-dev/automode/controlplane"
	"github.com/automode-dev/automode/localcloud/eks"
)

// controlPlanes gives the EKS service the control planes of this host.
type controlPlanes struct {
	manager  *controlplane.Manager
	endpoint string // of the local cloud
	libexec  string
	automode string
}

func (c controlPlanes) Ensure(ctx context.Context, s eks.ControlPlaneSpec, progress func(string)) (eks.ControlPlaneInfo, error) {
	info, err := c.manager.Ensure(ctx, controlplane.Spec{
		Name: s.Name, Version: s.Version, NetNS: s.NetNS, Address: s.Address, HostPort: s.HostPort, ServiceCIDR: s.ServiceCIDR, IssuerURL: s.IssuerURL,
		AuthenticatorURL: c.endpoint + s.AuthenticatePath, Libexec: c.libexec, Automode: c.automode,
	}, progress)
	if err != nil {
		return eks.ControlPlaneInfo{}, err
	}
	return eks.ControlPlaneInfo{CertificateAuthority: info.CertificateAuthority, Admin: info.Admin}, nil
}

func (c controlPlanes) Remove(ctx context.Context, name string) error {
	return c.manager.Remove(ctx, name)
}

// The administrator of kubeconfigs.
var (
	adminUser   = "automode-admin"
	adminGroups = []string{"system:masters"}
)

// adminLifetime is how long the certificate in a user's kubeconfig is valid; `automode up` renews it.
const adminLifetime = 365 * 24 * time.Hour

// serveKubeconfig answers with a kubeconfig of an administrator of the cluster. Only the owner of the home can ask.
func (c controlPlanes) serveKubeconfig(w http.ResponseWriter, r *http.Request) {
	data, err := c.manager.Kubeconfig(r.PathValue("name"), adminUser, adminGroups, "", adminLifetime)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	_, _ = w.Write(data) // a client that went away does not matter
}

// versions asks each built Kubernetes for its version, newest first.
func versions(ctx context.Context, libexec string) ([]eks.Version, error) {
	dirs, err := filepath.Glob(filepath.Join(libexec, "kubernetes-*"))
	if err != nil {
		return nil, fmt.Errorf("looking for Kubernetes versions in %s: %w", libexec, err)
	}
	var found []eks.Version
	for i := len(dirs) - 1; i >= 0; i-- {
		out, err := exec.CommandContext(ctx, filepath.Join(dirs[i], "kube-apiserver"), "--version").Output()
		if err != nil {
			return nil, fmt.Errorf("asking %s for its version: %w", dirs[i], err)
		}
		patch := strings.TrimPrefix(strings.TrimSpace(string(out)), "Kubernetes v")
		found = append(found, eks.Version{Minor: strings.TrimPrefix(filepath.Base(dirs[i]), "kubernetes-"), Patch: patch})
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("looking for Kubernetes versions: none in %s", libexec)
	}
	return found, nil
}

// conditions tells how each process of a control plane stands.
func (c controlPlanes) conditions(ctx context.Context, name string) []Condition {
	var all []Condition
	for _, s := range c.manager.Status(ctx, name) {
		problem := ""
		if !s.Healthy {
			problem = s.Reason + ": " + s.Message
		}
		all = append(all, condition("cluster "+name, s.Component, problem, s.Since))
	}
	return all
}
