package controlplane

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/automode-dev/automode/controlplane/pki"
)

// object is a configuration file in the making.
type object map[string]any

// writeConfigs writes the configuration files of the components. They hold the
// names of certificate files, not their content, so that a renewal changes none.
func (p *plan) writeConfigs() error {
	for name, content := range map[string]object{
		"kube-controller-manager.kubeconfig": p.componentKubeconfig(p.certs.controllerManager),
		"kube-scheduler.kubeconfig":          p.componentKubeconfig(p.certs.scheduler),
		"kube-scheduler.yaml":                schedulerConfig(p.dir),
		"authenticator.kubeconfig":           kubeconfig("authenticator", object{"server": p.spec.AuthenticatorURL}, object{}),
		"encryption.yaml":                    encryptionConfig(p.certs.encryptionKey),
	} {
		data, err := yaml.Marshal(content)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", name, err)
		}
		if err := writeConfig(p.dir.config(name), data); err != nil {
			return err
		}
	}
	return nil
}

// componentKubeconfig is for a component beside the API server.
func (p *plan) componentKubeconfig(client pki.Files) object {
	return kubeconfig("local",
		object{"server": local(p.ports.API), "certificate-authority": p.certs.cluster.BundleFile()},
		object{"client-certificate": client.Cert, "client-key": client.Key})
}

// kubeconfig has one cluster, user and context, all of one name.
func kubeconfig(name string, cluster, user object) object {
	return object{
		"apiVersion":      "v1",
		"kind":            "Config",
		"clusters":        []object{{"name": name, "cluster": cluster}},
		"users":           []object{{"name": name, "user": user}},
		"contexts":        []object{{"name": name, "context": object{"cluster": name, "user": name}}},
		"current-context": name,
	}
}

// schedulerConfig is the default scheduler without leader election (there is
// one) and with limits that do not slow a burst of thousands of pods.
func schedulerConfig(d directory) object {
	return object{
		"apiVersion":       "kubescheduler.config.k8s.io/v1",
		"kind":             "KubeSchedulerConfiguration",
		"clientConnection": object{"kubeconfig": d.config("kube-scheduler.kubeconfig"), "qps": 200, "burst": 400},
		"leaderElection":   object{"leaderElect": false},
	}
}

// encryptionConfig encrypts secrets with XSalsa20 and Poly1305 before they reach
// etcd.
func encryptionConfig(key string) object {
	return object{
		"apiVersion": "apiserver.config.k8s.io/v1",
		"kind":       "EncryptionConfiguration",
		"resources": []object{{
			"resources": []string{"secrets"},
			"providers": []object{{"secretbox": object{"keys": []object{{"name": "key1", "secret": key}}}}},
		}},
	}
}

// writeConfig replaces a file as a whole unless it has that content already.
func writeConfig(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making configuration directory: %w", err)
	}
	temporary := path + ".tmp"
	err := os.WriteFile(temporary, data, 0o600)
	if err = errors.Join(err, os.Rename(temporary, path)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
