package ec2form

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/automode-dev/automode/compute/catalog"
)

func TestEveryTypeSurvivesTheRoundTrip(t *testing.T) {
	for i := range catalog.Default().Types() {
		want := &catalog.Default().Types()[i]
		if diff := cmp.Diff(*want, From(To(want)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
		}
	}
}

// Answers recorded from AWS come out of the catalog as they went in.
func TestRecordedAnswers(t *testing.T) {
	data, err := os.ReadFile("testdata/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded []types.InstanceTypeInfo
	if err := json.Unmarshal(data, &recorded); err != nil {
		t.Fatal(err)
	}
	for _, want := range recorded {
		typ, ok := catalog.Default().Type(string(want.InstanceType))
		if !ok {
			t.Errorf("%s is not in the catalog", want.InstanceType)
			continue
		}
		if diff := cmp.Diff(want, To(typ), cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(ignored...)); diff != "" {
			t.Errorf("%s (-recorded +ours):\n%s", want.InstanceType, diff)
		}
	}
}

var ignored = []any{
	types.InstanceTypeInfo{}, types.NetworkInfo{}, types.NetworkCardInfo{}, types.EbsInfo{}, types.EbsOptimizedInfo{}, types.EbsCardInfo{},
	types.InstanceStorageInfo{}, types.DiskInfo{}, types.GpuInfo{}, types.GpuDeviceInfo{}, types.GpuDeviceMemoryInfo{}, types.InferenceAcceleratorInfo{},
	types.InferenceDeviceInfo{}, types.InferenceDeviceMemoryInfo{}, types.NeuronInfo{}, types.NeuronDeviceInfo{}, types.NeuronDeviceCoreInfo{},
	types.NeuronDeviceMemoryInfo{}, types.ProcessorInfo{}, types.VCpuInfo{}, types.PlacementGroupInfo{}, types.NitroTpmInfo{}, types.MemoryInfo{},
	types.DefaultConnectionTrackingConfiguration{}, types.EfaInfo{}, types.FpgaInfo{}, types.FpgaDeviceInfo{}, types.FpgaDeviceMemoryInfo{},
	types.MediaAcceleratorInfo{}, types.MediaDeviceInfo{}, types.MediaDeviceMemoryInfo{},
}
