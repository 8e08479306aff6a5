package node

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// Users that the parts of a node act as; the node may impersonate them (see RBAC).
const (
	proxyUser = "kube-proxy"
	ipamdUser = "ipamd"
)

// proxyConfig renders the KubeProxyConfiguration.
func proxyConfig(o Options, f Facts, restrictOOM bool) ([]byte, error) {
	score := -999
	if restrictOOM {
		score = 0
	}
	data, err := yaml.Marshal(map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"mode":               "nftables",
		"bindAddress":        "0.0.0.0",
		"healthzBindAddress": "0.0.0.0:10256",
		"metricsBindAddress": "127.0.0.1:10249",
		"hostnameOverride":   f.InstanceID,
		"oomScoreAdj":        score,
		"clientConnection":   map[string]any{"kubeconfig": o.path(etc, "kube-proxy.kubeconfig")},
		// Pods are known by their interfaces: their addresses are not in one range.
		"detectLocalMode": "InterfaceNamePrefix",
		"detectLocal":     map[string]any{"interfaceNamePrefix": "eni"},
		// The connection table's size and timers belong to the host.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	})
	if err != nil {
		return nil, fmt.Errorf("printing kube-proxy's configuration: %w", err)
	}
	return data, nil
}
