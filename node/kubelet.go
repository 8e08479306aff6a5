package node

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"sigs.k8s.io/yaml"
)

// kubeletConfig renders the KubeletConfiguration: the node's defaults with the NodeConfig's fields laid over them.
func kubeletConfig(o Options, f Facts, restrictOOM bool) ([]byte, error) {
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true, "cacheTTL": "2m0s"},
			"x509":      map[string]any{"clientCAFile": o.path(etc, "ca.crt")},
		},
		"authorization": map[string]any{
			"mode":    "Webhook",
			"webhook": map[string]any{"cacheAuthorizedTTL": "5m0s", "cacheUnauthorizedTTL": "30s"},
		},
		"cgroupDriver":              "systemd",
		"clusterDomain":             "cluster.local",
		"containerRuntimeEndpoint":  "unix://" + o.path(containerdSocket),
		"failCgroupV1":              false,
		"failSwapOn":                false,
		"hairpinMode":               "hairpin-veth",
		"makeIPTablesUtilChains":    false, // kube-proxy uses nftables
		"podLogsDir":                o.path(logs, "pods"),
		"providerID":                f.ProviderID(),
		"readOnlyPort":              0,
		"registryBurst":             50,
		"registryPullQPS":           25,
		"resolvConf":                "/etc/resolv.conf",
		"serializeImagePulls":       false,
		"maxParallelImagePulls":     10,
		"serverTLSBootstrap":        true,
		"volumePluginDir":           o.path(kubeletRoot, "volume-plugins"),
		"nodeStatusReportFrequency": "5m0s",
	}
	if o.Cgroup != "" {
		config["cgroupDriver"] = "cgroupfs"
		config["cgroupRoot"] = o.Cgroup
	}
	if restrictOOM {
		config["oomScoreAdj"] = 0
	}
	if address, err := ClusterDNS(f.Config.Spec.Cluster.CIDR); err == nil {
		config["clusterDNS"] = []any{address.String()}
	}
	for name, raw := range f.Config.Spec.Kubelet.Config {
		var value any
		if err := json.Unmarshal(raw.Raw, &value); err != nil {
			return nil, fmt.Errorf("reading kubelet.config.%s of the node configuration: %w", name, err)
		}
		config[name] = merge(config[name], value)
	}
	data, err := yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("printing the kubelet's configuration: %w", err)
	}
	return data, nil
}

// merge lays one value over another: objects member by member, everything else as a whole.
func merge(base, over any) any {
	under, ok := base.(map[string]any)
	object, alsoOK := over.(map[string]any)
	if !ok || !alsoOK {
		return over
	}
	for name, value := range object {
		under[name] = merge(under[name], value)
	}
	return under
}

// ClusterDNS is the tenth address of the cluster's service network.
func ClusterDNS(serviceCIDR string) (netip.Addr, error) {
	network, err := netip.ParsePrefix(serviceCIDR)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("reading the cluster's service network: %w", err)
	}
	address := network.Masked().Addr()
	for range 10 {
		address = address.Next()
	}
	return address, nil
}

// kubeletArgs is the kubelet's command line; flags of the NodeConfig come last and win.
func kubeletArgs(o Options, f Facts) []string {
	args := []string{
		"--config=" + o.path(etc, "kubelet.yaml"),
		"--kubeconfig=" + o.path(etc, "kubelet.kubeconfig"),
		"--root-dir=" + o.path(kubeletRoot),
		"--cert-dir=" + o.path(kubeletRoot, "pki"),
		"--hostname-override=" + f.InstanceID,
		"--node-ip=" + f.Network.NodeAddress.String(),
	}
	for _, flag := range f.Config.Spec.Kubelet.Flags {
		args = append(args, strings.TrimSpace(flag))
	}
	return args
}
