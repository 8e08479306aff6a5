package instancetypes

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/catalog"
)

func typeNamed(t *testing.T, name string) *catalog.Type {
	t.Helper()
	found, ok := catalog.Default().Type(name)
	if !ok {
		t.Fatalf("type %s is not in the catalog", name)
	}
	return found
}

// The figures of a real c5a.large node of Auto Mode.
func TestResourcesOfC5aLarge(t *testing.T) {
	class := &eksv1.NodeClass{}
	c5a := typeNamed(t, "c5a.large")
	it := cloudprovider.InstanceType{Capacity: Capacity(c5a, class), Overhead: Overhead(c5a, class)}
	want := map[string]map[corev1.ResourceName]string{
		"capacity":    {"cpu": "2", "memory": "3788Mi", "ephemeral-storage": "80Gi", "pods": "27"},
		"allocatable": {"cpu": "1480m", "memory": "2699Mi", "ephemeral-storage": "71Gi", "pods": "27"},
	}
	got := map[string]map[corev1.ResourceName]string{"capacity": printed(it.Capacity), "allocatable": printed(it.Allocatable())}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources of c5a.large (-want +got):\n%s", diff)
	}
}

func printed(list corev1.ResourceList) map[corev1.ResourceName]string {
	out := map[corev1.ResourceName]string{}
	for name, quantity := range list {
		out[name] = quantity.String()
	}
	return out
}

func TestMaxPods(t *testing.T) {
	for name, want := range map[string]int64{"c5a.large": 27, "m5.xlarge": 56, "m5.4xlarge": 110} {
		if got := MaxPods(typeNamed(t, name)); got != want {
			t.Errorf("MaxPods(%s) = %d, want %d", name, got, want)
		}
	}
}

func TestLocalDisksTakeThePlaceOfASmallerDataVolume(t *testing.T) {
	class := &eksv1.NodeClass{}
	disks := typeNamed(t, "m5d.2xlarge") // 300 GB of NVMe
	if !NVMeHoldsData(disks, class) || DataVolumeGiB(disks, class) != 20 {
		t.Errorf("80Gi beside 300 GB of NVMe: holds=%v volume=%d GiB, want true and 20", NVMeHoldsData(disks, class), DataVolumeGiB(disks, class))
	}
	class.Spec.EphemeralStorage = &eksv1.EphemeralStorage{Size: "500Gi"}
	if NVMeHoldsData(disks, class) || DataVolumeGiB(disks, class) != 500 {
		t.Errorf("500Gi beside 300 GB of NVMe: holds=%v volume=%d GiB, want false and 500", NVMeHoldsData(disks, class), DataVolumeGiB(disks, class))
	}
}

func TestSupported(t *testing.T) {
	for name, want := range map[string]bool{
		"c5a.large": true, "t3.medium": true, "t3.small": false, "t3.micro": false, "m5.metal": false, "c5.24xlarge": true, "mac1.metal": false, "a1.large": false,
		"m6g.medium": false, // one vCPU
	} {
		if got := Supported(typeNamed(t, name)); got != want {
			t.Errorf("Supported(%s) = %v, want %v", name, got, want)
		}
	}
}

func TestHugepagesLeaveMemory(t *testing.T) {
	class := &eksv1.NodeClass{}
	class.Spec.AdvancedCompute = &eksv1.AdvancedCompute{Hugepages: &eksv1.Hugepages{Pages: []eksv1.Hugepage{{Size: "2Mi", Count: 2048}}}}
	if hugepagesFit(typeNamed(t, "c5a.large"), class) {
		t.Error("4 GiB of huge pages fit a type of 4 GiB")
	}
	if !hugepagesFit(typeNamed(t, "m5.xlarge"), class) {
		t.Error("4 GiB of huge pages do not fit a type of 16 GiB")
	}
}

func TestLabelsOfC5aLarge(t *testing.T) {
	got := SingleValued(Requirements(typeNamed(t, "c5a.large"), "ap-northeast-1"))
	want := map[string]string{
		"app.kubernetes.io/managed-by":                               "eks",
		"eks.amazonaws.com/compute-type":                             "auto",
		"eks.amazonaws.com/instance-capability-flex":                 "false",
		"eks.amazonaws.com/instance-category":                        "c",
		"eks.amazonaws.com/instance-cpu":                             "2",
		"eks.amazonaws.com/instance-cpu-manufacturer":                "amd",
		"eks.amazonaws.com/instance-cpu-sustained-clock-speed-mhz":   "3300",
		"eks.amazonaws.com/instance-ebs-bandwidth":                   "3170",
		"eks.amazonaws.com/instance-encryption-in-transit-supported": "true",
		"eks.amazonaws.com/instance-family":                          "c5a",
		"eks.amazonaws.com/instance-generation":                      "5",
		"eks.amazonaws.com/instance-hypervisor":                      "nitro",
		"eks.amazonaws.com/instance-memory":                          "4096",
		"eks.amazonaws.com/instance-network-bandwidth":               "750",
		"eks.amazonaws.com/instance-size":                            "large",
		"kubernetes.io/arch":                                         "amd64",
		"kubernetes.io/os":                                           "linux",
		"node.kubernetes.io/instance-type":                           "c5a.large",
		"topology.kubernetes.io/region":                              "ap-northeast-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels of c5a.large (-want +got):\n%s", diff)
	}
}

func TestShortagesAreForgottenAfterThreeMinutes(t *testing.T) {
	clock := testclock.NewFakePassiveClock(time.Unix(0, 0))
	shortages := NewShortages(clock)
	shortages.Remember("c5a.large", "us-east-1a", "spot")
	turn := shortages.Turn()
	if !shortages.Blocked("c5a.large", "us-east-1a", "spot") || shortages.Blocked("c5a.large", "us-east-1a", "on-demand") {
		t.Error("a shortage of one offering has to block it and no other")
	}
	clock.SetTime(time.Unix(180, 0))
	if shortages.Blocked("c5a.large", "us-east-1a", "spot") || shortages.Turn() == turn {
		t.Error("a shortage outlives three minutes")
	}
}
