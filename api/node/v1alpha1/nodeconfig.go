package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Names of the configuration as they appear in user data.
const (
	APIVersion = "node.eks.aws/v1alpha1"
	Kind       = "NodeConfig"
	// MediaType is the content type of a NodeConfig inside a MIME multipart message.
	MediaType = "application/node.eks.aws"
)

// NodeConfig is the configuration of one node.
type NodeConfig struct {
	metav1.TypeMeta `json:",inline"`
	// Spec is the configuration itself.
	Spec NodeConfigSpec `json:"spec,omitempty"`
}

// NodeConfigSpec holds the parts of a node's configuration.
type NodeConfigSpec struct {
	// Cluster the node joins.
	Cluster ClusterDetails `json:"cluster,omitempty"`
	// Containerd is merged into the container runtime's configuration.
	Containerd ContainerdOptions `json:"containerd,omitempty"`
	// Instance holds settings of the operating system.
	Instance InstanceOptions `json:"instance,omitempty"`
	// Kubelet is merged into the kubelet's configuration.
	Kubelet KubeletOptions `json:"kubelet,omitempty"`
	// FeatureGates switch features of the node's own software.
	FeatureGates map[string]bool `json:"featureGates,omitempty"`
}

// ClusterDetails say which cluster to join and how to trust it.
type ClusterDetails struct {
	// Name of the cluster.
	Name string `json:"name,omitempty"`
	// APIServerEndpoint is the URL of the API server.
	APIServerEndpoint string `json:"apiServerEndpoint,omitempty"`
	// CertificateAuthority is the cluster's CA bundle in PEM form (base64 in the document).
	CertificateAuthority []byte `json:"certificateAuthority,omitempty"`
	// CIDR is the service network of the cluster.
	CIDR string `json:"cidr,omitempty"`
	// EnableOutpost and ID belong to local clusters on an outpost.
	EnableOutpost *bool `json:"enableOutpost,omitempty"`
	// ID of a local cluster.
	ID string `json:"id,omitempty"`
}

// KubeletOptions are settings of the kubelet.
type KubeletOptions struct {
	// Config holds fields of KubeletConfiguration, merged over the defaults of the node.
	Config map[string]runtime.RawExtension `json:"config,omitempty"`
	// Flags are appended to the command line.
	Flags []string `json:"flags,omitempty"`
}

// ContainerdOptions are settings of the container runtime.
type ContainerdOptions struct {
	// Config is a TOML document merged over the defaults.
	Config string `json:"config,omitempty"`
	// BaseRuntimeSpec is merged over the base OCI runtime specification.
	BaseRuntimeSpec map[string]runtime.RawExtension `json:"baseRuntimeSpec,omitempty"`
}

// InstanceOptions are settings of the operating system.
type InstanceOptions struct {
	// LocalStorage says what to do with instance store disks.
	LocalStorage LocalStorageOptions `json:"localStorage,omitempty"`
	// Environment holds variables for the services of the node; the key "default" is for all of them.
	Environment map[string]map[string]string `json:"environment,omitempty"`
}

// LocalStorageOptions say what to do with instance store disks.
type LocalStorageOptions struct {
	// Strategy is RAID0, RAID10 or Mount.
	Strategy string `json:"strategy,omitempty"`
	// MountPath is where the array or the disks are mounted.
	MountPath string `json:"mountPath,omitempty"`
	// DisabledMounts are directories that stay off the array.
	DisabledMounts []string `json:"disabledMounts,omitempty"`
}
