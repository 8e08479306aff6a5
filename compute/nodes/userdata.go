package nodes

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	nodev1alpha1 "github.com/automode-dev/automode/api/node/v1alpha1"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/labels"
	"github.com/automode-dev/automode/compute/state"
)

// UserData renders the node configuration for a claim on instances of the type. Types of equal reserves and pod
// numbers get equal user data.
func UserData(cluster Cluster, class *eksv1.NodeClass, claim *karpv1.NodeClaim, capacityType string, t *catalog.Type) ([]byte, error) {
	dns, err := cluster.DNSAddress()
	if err != nil {
		return nil, err
	}
	kubelet, err := rawFields(map[string]any{
		"clusterDNS":         []string{dns},
		"maxPods":            instancetypes.MaxPods(t),
		"kubeReserved":       printed(instancetypes.KubeReserved(t)),
		"systemReserved":     printed(instancetypes.SystemReserved()),
		"evictionHard":       instancetypes.EvictionHard(),
		"registerWithTaints": taints(cluster, claim),
		"registryPullQPS":    25,
		"registryBurst":      50,
		"serverTLSBootstrap": true,
	})
	if err != nil {
		return nil, err
	}
	config := nodev1alpha1.NodeConfig{Spec: nodev1alpha1.NodeConfigSpec{
		Cluster: nodev1alpha1.ClusterDetails{
			Name: cluster.Name, APIServerEndpoint: cluster.Endpoint, CertificateAuthority: cluster.CertificateAuthority, CIDR: cluster.ServiceCIDR,
		},
		Kubelet:  nodev1alpha1.KubeletOptions{Config: kubelet, Flags: []string{"--node-labels=" + joined(nodeLabels(claim, capacityType))}},
		Instance: nodev1alpha1.InstanceOptions{Environment: environment(class)},
	}}
	if instancetypes.NVMeHoldsData(t, class) {
		config.Spec.Instance.LocalStorage.Strategy = "RAID0"
	}
	return config.Marshal()
}

// taints of a new node: those of the claim, the one that keeps pods off until the node is registered, and the one that
// does so until its pods are nominated.
func taints(cluster Cluster, claim *karpv1.NodeClaim) []corev1.Taint {
	all := slices.Concat(claim.Spec.Taints, claim.Spec.StartupTaints)
	if !slices.ContainsFunc(all, func(taint corev1.Taint) bool { return taint.MatchTaint(&karpv1.UnregisteredNoExecuteTaint) }) {
		all = append(all, karpv1.UnregisteredNoExecuteTaint)
	}
	if cluster.OpensNodes {
		all = append(all, state.ClosedTaint)
	}
	return all
}

// nodeLabels are the labels a node registers itself with. The kubelet may not set labels of Kubernetes' own domains;
// those, and the ones the instance type decides, are copied from the claim once the node is there.
func nodeLabels(claim *karpv1.NodeClaim, capacityType string) map[string]string {
	chosen := map[string]string{
		labels.ComputeType:                 labels.ComputeAuto,
		karpv1.CapacityTypeLabelKey:        capacityType,
		karpv1.NodeDoNotSyncTaintsLabelKey: "true",
	}
	for key, value := range claim.Labels {
		if !kubernetesOwn(key) {
			chosen[key] = value
		}
	}
	return chosen
}

func kubernetesOwn(key string) bool {
	domain, _, ok := strings.Cut(key, "/")
	if !ok {
		return false
	}
	return domain == "kubernetes.io" || domain == "k8s.io" || strings.HasSuffix(domain, ".kubernetes.io") || strings.HasSuffix(domain, ".k8s.io")
}

func environment(class *eksv1.NodeClass) map[string]map[string]string {
	networking := class.Spec.AdvancedNetworking
	if networking == nil || networking.HTTPSProxy == "" {
		return nil
	}
	proxy := map[string]string{"HTTPS_PROXY": networking.HTTPSProxy, "HTTP_PROXY": networking.HTTPSProxy}
	if len(networking.NoProxy) > 0 {
		proxy["NO_PROXY"] = strings.Join(networking.NoProxy, ",")
	}
	return map[string]map[string]string{"default": proxy}
}

func rawFields(fields map[string]any) (map[string]runtime.RawExtension, error) {
	raw := map[string]runtime.RawExtension{}
	for name, value := range fields {
		document, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("printing kubelet setting %s: %w", name, err)
		}
		raw[name] = runtime.RawExtension{Raw: document}
	}
	return raw, nil
}

func printed(list corev1.ResourceList) map[string]string {
	out := map[string]string{}
	for name, quantity := range list {
		out[string(name)] = quantity.String()
	}
	return out
}

func joined(m map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, key+"="+m[key])
	}
	return strings.Join(pairs, ",")
}
