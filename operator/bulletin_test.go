package operator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/instancetypes"
)

func TestBulletinIsReadAsWritten(t *testing.T) {
	config := Config{Compute: ComputeConfig{Disruption: DisruptionConfig{ComparePools: true, MinSaving: 0.01, ExpireAhead: metav1.Duration{Duration: time.Hour},
		Spot: disruption.SpotByExpectedCost, Interruptions: map[string]float64{"c6a.large": 0.1}}}}
	shortages := []instancetypes.Shortage{{InstanceType: "c6a.large", Zone: "us-east-1a", CapacityType: "spot", Until: time.Date(2026, 1, 1, 0, 3, 0, 0, time.UTC)}}
	data, err := bulletinOf(config, shortages)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadBulletin(data)
	if err != nil {
		t.Fatal(err)
	}
	want := Bulletin{ComparePools: true, Shortages: shortages, Disruption: config.Compute.Disruption.settings().Options}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bulletin (-want +got):\n%s", diff)
	}
}

func TestNothingToTell(t *testing.T) {
	data, err := bulletinOf(Config{}, nil)
	if err != nil || len(data) > 0 {
		t.Errorf("content %q, error %v", data, err)
	}
	if got, err := ReadBulletin(nil); err != nil || !cmp.Equal(got, Bulletin{}) {
		t.Errorf("read %+v, error %v", got, err)
	}
}
