package simulate

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/automode-dev/automode/api/node/v1alpha1"
	"github.com/automode-dev/automode/localcloud/machine"
)

// nodeObject is the Node that a machine's kubelet would register: named by the instance, as the real one is.
func nodeObject(spec machine.Spec, config v1alpha1.NodeConfig, version string, now time.Time) (*corev1.Node, error) {
	s, err := readSettings(config.Spec.Kubelet)
	if err != nil {
		return nil, err
	}
	capacity := capacityOf(machine.HardwareOf(spec), s.MaxPods)
	allocatable, err := s.allocatable(capacity)
	if err != nil {
		return nil, err
	}
	labels := map[string]string{
		"beta.kubernetes.io/arch": arch(spec), "beta.kubernetes.io/os": "linux",
		corev1.LabelArchStable: arch(spec), corev1.LabelOSStable: "linux", corev1.LabelHostname: spec.ID,
	}
	maps.Copy(labels, s.labels)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: spec.ID, Labels: labels,
			Annotations: map[string]string{"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
		},
		Spec: corev1.NodeSpec{ProviderID: "aws:///" + spec.Zone + "/" + spec.ID, Taints: s.RegisterWithTaints},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: allocatable, Conditions: nodeConditions(now, true), Addresses: nodeAddresses(spec),
			NodeInfo: nodeInfo(spec, version),
		},
	}, nil
}

func arch(spec machine.Spec) string {
	if spec.Arch == "" || spec.Arch == "x86_64" {
		return "amd64"
	}
	return spec.Arch
}

func capacityOf(h machine.Hardware, maxPods int32) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(h.CPUs), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(h.MemoryBytes, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(h.EphemeralStorageBytes, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(int64(maxPods), resource.DecimalSI),
		"hugepages-1Gi":                 *resource.NewQuantity(0, resource.DecimalSI),
		"hugepages-2Mi":                 *resource.NewQuantity(0, resource.DecimalSI),
	}
}

func nodeConditions(now time.Time, ready bool) []corev1.NodeCondition {
	at := metav1.NewTime(now)
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: at, LastTransitionTime: at}
	}
	readiness := condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status")
	if !ready {
		readiness = condition(corev1.NodeReady, corev1.ConditionFalse, "KubeletNotReady", "node is shutting down")
	}
	return []corev1.NodeCondition{
		condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
		condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
		condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
		readiness,
	}
}

func nodeAddresses(spec machine.Spec) []corev1.NodeAddress {
	var out []corev1.NodeAddress
	if a := primaryAddress(spec); a.IsValid() {
		out = append(out, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.String()})
	}
	return append(out, corev1.NodeAddress{Type: corev1.NodeHostName, Address: spec.ID})
}

func primaryAddress(spec machine.Spec) netip.Addr {
	for _, i := range spec.Interfaces {
		if i.DeviceIndex == 0 {
			return i.Address
		}
	}
	return netip.Addr{}
}

func nodeInfo(spec machine.Spec, version string) corev1.NodeSystemInfo {
	return corev1.NodeSystemInfo{
		Architecture: arch(spec), OperatingSystem: "linux", KernelVersion: "6.12.0-simulated", OSImage: "Automode (EKS Auto, Standard) simulated",
		ContainerRuntimeVersion: "simulated://1.0.0", KubeletVersion: kubeletVersion(spec, version),
		MachineID: spec.ID, SystemUUID: spec.ID, BootID: spec.ID,
	}
}

// kubeletVersion is that of the machine's image: the API server's own where they have the same minor version.
func kubeletVersion(spec machine.Spec, server string) string {
	minor := spec.KubernetesVersion
	if minor == "" || strings.HasPrefix(server, "v"+minor+".") {
		return server
	}
	return "v" + minor + ".0"
}

// leaseDuration is what a kubelet promises.
const leaseDuration = 40 * time.Second

// leaseObject is the lease by which a kubelet shows that it lives.
func leaseObject(node string, uid types.UID, now time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: node, Namespace: corev1.NamespaceNodeLease,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node, UID: uid}},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To(node), LeaseDurationSeconds: ptr.To(int32(leaseDuration.Seconds())), RenewTime: ptr.To(metav1.NewMicroTime(now)),
		},
	}
}

// shutdownPatch says that a node is going down.
func shutdownPatch(now time.Time) []byte {
	at := now.UTC().Format(time.RFC3339)
	return fmt.Appendf(nil, `{"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"node is shutting down","lastHeartbeatTime":%q,"lastTransitionTime":%q}]}}`, at, at)
}
