package labels

import (
	"testing"
)

const restrictedText = `label karpenter.k8s.aws/instance-family is restricted; specify a well known label: [app.kubernetes.io/managed-by eks.amazonaws.com/compute-type eks.amazonaws.com/instance-accelerator-count eks.amazonaws.com/instance-accelerator-manufacturer eks.amazonaws.com/instance-accelerator-name eks.amazonaws.com/instance-category eks.amazonaws.com/instance-cpu eks.amazonaws.com/instance-cpu-manufacturer eks.amazonaws.com/instance-cpu-sustained-clock-speed-mhz eks.amazonaws.com/instance-ebs-bandwidth eks.amazonaws.com/instance-encryption-in-transit-supported eks.amazonaws.com/instance-family eks.amazonaws.com/instance-generation eks.amazonaws.com/instance-gpu-count eks.amazonaws.com/instance-gpu-manufacturer eks.amazonaws.com/instance-gpu-memory eks.amazonaws.com/instance-gpu-name eks.amazonaws.com/instance-hypervisor eks.amazonaws.com/instance-local-nvme eks.amazonaws.com/instance-memory eks.amazonaws.com/instance-network-bandwidth eks.amazonaws.com/instance-size karpenter.sh/capacity-type karpenter.sh/nodepool kubernetes.io/arch kubernetes.io/os node.kubernetes.io/instance-type node.kubernetes.io/windows-build topology.k8s.aws/zone-id topology.kubernetes.io/region topology.kubernetes.io/zone], or a custom label that does not use a restricted domain: [k8s.io karpenter.k8s.aws karpenter.sh kubernetes.io]`

func TestCheckRestricted(t *testing.T) {
	err := CheckRestricted("karpenter.k8s.aws/instance-family")
	if err == nil || err.Error() != restrictedText {
		t.Errorf("text differs from the documented one:\n got %v\nwant %s", err, restrictedText)
	}
	allowed := []string{
		"team", "example.com/team", "eks.amazonaws.com/anything", "node.kubernetes.io/custom", CapabilityFlex, PlacementGroupID,
		"kubernetes.io/arch", "beta.kubernetes.io/arch", "node-restriction.kubernetes.io/group", "notkubernetes.io/x",
	}
	for _, key := range allowed {
		if err := CheckRestricted(key); err != nil {
			t.Errorf("CheckRestricted(%q) = %v, want allowed", key, err)
		}
	}
	for _, key := range []string{"kubernetes.io/hostname", "kubernetes.io/x", "app.kubernetes.io/name", "karpenter.sh/x", "x.k8s.io/y"} {
		if CheckRestricted(key) == nil {
			t.Errorf("CheckRestricted(%q) allowed it", key)
		}
	}
}
