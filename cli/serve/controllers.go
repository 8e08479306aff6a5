package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/internal/supervise"
	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/ec2/images"
	"github.com/automode-dev/automode/localcloud/eks"
	"github.com/automode-dev/automode/operator"
)

// Times of the controllers' client certificate: it is renewed when a third of its life has passed.
const (
	controllerCertificate = 90 * 24 * time.Hour
	controllerRenewal     = controllerCertificate / 3
)

// controllers gives the EKS service one `automode controller` process per cluster.
type controllers struct {
	dir      home.Dir
	planes   controlPlanes
	sup      *supervise.Supervisor
	endpoint string // of the local cloud
	automode string
	core     *localcloud.Core
}

func (c controllers) Ensure(_ context.Context, s eks.ControllersSpec) error {
	if err := c.ensure(s); err != nil {
		return fmt.Errorf("starting the controllers of cluster %q: %w", s.Cluster, err)
	}
	return nil
}

func (c controllers) ensure(s eks.ControllersSpec) error {
	path := func(name string) string { return filepath.Join(c.dir.Cluster(s.Name), "controller", name) }
	if err := os.MkdirAll(path(""), 0o700); err != nil {
		return err
	}
	if err := c.ensureKubeconfig(s.Name, path("kubeconfig")); err != nil {
		return err
	}
	config, err := controllerConfig(s, path("kubeconfig")).Marshal()
	if err != nil {
		return err
	}
	if err := replaceFile(path("config.yaml"), config); err != nil {
		return err
	}
	linked, err := c.core.IAM.EnsureServiceLinkedRole(eksService)
	if err != nil {
		return err
	}
	role, err := c.grant(localcloud.Grant{Name: s.Name + "-role", RoleARN: s.RoleARN, Tags: map[string]string{"eks:eks-cluster-name": s.Cluster}}, path("role-token"))
	if err != nil {
		return err
	}
	service, err := c.grant(localcloud.Grant{Name: s.Name + "-service", RoleARN: linked}, path("service-token"))
	if err != nil {
		return err
	}
	return c.sup.Ensure(supervise.Unit{
		Name: s.Name, Path: c.automode, Args: []string{"controller", "--config", path("config.yaml"), "--settings", settingsFile(c.dir.Cluster(s.Name))},
		Log: filepath.Join(c.dir.Cluster(s.Name), "logs", "controller.log"),
		Env: []string{
			"AWS_ENDPOINT_URL=" + c.endpoint, "AWS_REGION=" + s.Region, "AWS_EC2_METADATA_DISABLED=true",
			"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + role, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + path("role-token"),
			"AUTOMODE_SERVICE_ROLE_CREDENTIALS_URI=" + service, "AUTOMODE_SERVICE_ROLE_TOKEN_FILE=" + path("service-token"),
			"GOMEMLIMIT=1GiB",
		},
	})
}

// settingsFile is the user's part of the controllers' configuration of a cluster. Nothing here writes it.
func settingsFile(cluster string) string { return filepath.Join(cluster, "settings.yaml") }

// grant lets whoever reads the token file have sessions of a role that EKS may assume, and returns the address to ask.
func (c controllers) grant(g localcloud.Grant, tokenFile string) (string, error) {
	g.SessionName, g.Service = "eks-auto-mode", eksService
	path, token, err := c.core.Grants.Put(g)
	if err != nil {
		return "", err
	}
	return c.endpoint + path, replaceFile(tokenFile, []byte(token))
}

// controllerConfig is the file that tells the controllers what they work for.
func controllerConfig(s eks.ControllersSpec, kubeconfig string) operator.Config {
	return operator.Config{
		Cluster: operator.ClusterConfig{
			Name: s.Cluster, Region: s.Region, Version: s.Version, Endpoint: s.Endpoint, CertificateAuthority: s.CertificateAuthority,
			ServiceCIDR: s.ServiceCIDR.String(), SecurityGroup: s.SecurityGroupID, Subnets: s.SubnetIDs,
			Images: nodeImages(s.Region, s.Version),
		},
		Compute:    operator.ComputeConfig{NodePools: s.NodePools, NodeRole: roleName(s.NodeRoleARN)},
		Kubeconfig: kubeconfig,
	}
}

// nodeImages are the current images of a Kubernetes version by the parameters that name them. The controllers are told, as
// on EKS: neither of their roles may read parameters.
func nodeImages(region, version string) map[string]string {
	found := map[string]string{}
	for parameter, id := range images.Parameters(region) {
		if strings.Contains(parameter, "/"+version+"/amazon-linux-2023/") && strings.HasSuffix(parameter, "/recommended/image_id") {
			found[parameter] = id
		}
	}
	return found
}

// roleName is the last part of a role's ARN.
func roleName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// ensureKubeconfig writes the controllers' identity, anew when its certificate has aged.
func (c controllers) ensureKubeconfig(name, file string) error {
	info, err := os.Stat(file)
	if err == nil && time.Since(info.ModTime()) < controllerRenewal {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := c.planes.manager.Kubeconfig(name, operator.KubernetesUser, []string{operator.KubernetesGroup}, "", controllerCertificate)
	if err != nil {
		return err
	}
	return replaceFile(file, data)
}

// replaceFile writes a file only its owner reads, as a whole or not at all, and not when it has that content already.
func replaceFile(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	next := path + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(next, path)
}

// stopGrace is how long the controllers may take to finish what they are doing.
const stopGrace = 5 * time.Second

func (c controllers) Remove(ctx context.Context, name string) error {
	return errors.Join(c.sup.Stop(ctx, name, stopGrace), c.core.Grants.Remove(name+"-role"), c.core.Grants.Remove(name+"-service"))
}

// steadyAfter is how long controllers that died twice in a row must run to count as running.
const steadyAfter = 15 * time.Second

// condition tells how the controllers of a cluster stand.
func (c controllers) condition(name string) Condition {
	s := c.sup.Status(name)
	problem := ""
	crashing := s.Failures > 1 && time.Since(s.Since) < steadyAfter // runs again, but for how long?
	if s.State != supervise.Running || crashing {
		problem = strings.TrimSuffix(string(s.State)+": "+s.LastError, ": ") + lastWords(s.Log)
	}
	return condition("cluster "+name, "controllers", problem, s.Since)
}

// lastWords is the end of a log, to show beside a problem: its last line, or what a program that panicked said before the
// stack.
func lastWords(log string) string {
	lines := supervise.LastLines(log, 1000)
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i], "panic: ") || strings.HasPrefix(lines[i], "fatal error: ") {
			return ": " + lines[i]
		}
		if strings.HasPrefix(lines[i], "{") { // a line of the program itself
			break
		}
	}
	if len(lines) > 0 {
		return ": " + lines[len(lines)-1]
	}
	return ""
}
