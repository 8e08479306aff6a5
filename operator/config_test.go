package operator

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/nodes/disrupting"
)

const plainConfig = `apiVersion: automode.dev/v1
kind: ControllerConfig
cluster: {name: a, region: us-east-1, version: "1.35", endpoint: "https://127.0.0.1:6443", certificateAuthority: YQ==, serviceCIDR: 10.100.0.0/16}
`

func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(file, "")
}

func TestDisruptionConfig(t *testing.T) {
	config, err := load(t, plainConfig+`compute:
  disruption: {minSaving: 0.01, minSavingRatio: 0.1, utilizationThreshold: 0.8, comparePools: true, expireAhead: 24h, spot: ExpectedCost, interruptions: {c6a.large: 0.002}, restartCost: 0.05}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := disrupting.Settings{ComparePools: true, Options: disruption.Options{MinSaving: 0.01, MinSavingRatio: 0.1, UtilizationThreshold: 0.8, ExpireAhead: 24 * time.Hour,
		Spot: disruption.SpotByExpectedCost, Interruptions: map[string]float64{"c6a.large": 0.002}, RestartCost: 0.05}}
	if diff := cmp.Diff(want, config.Compute.Disruption.settings()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// What is off by default is not printed either: files of before stay as they were.
func TestDisruptionIsOffByDefault(t *testing.T) {
	config, err := load(t, plainConfig)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(disrupting.Settings{}, config.Compute.Disruption.settings()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	text, err := config.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "disruption") {
		t.Errorf("printed:\n%s", text)
	}
}

func TestDisruptionConfigRefused(t *testing.T) {
	for line, want := range map[string]string{
		"minSaving: -1":                "compute.disruption.minSaving is -1, want 0 or more",
		"minSavingRatio: 1.5":          "compute.disruption.minSavingRatio is 1.5, want 0 to 1",
		"utilizationThreshold: 80":     "compute.disruption.utilizationThreshold is 80, want 0 to 1",
		"expireAhead: -1h":             "compute.disruption.expireAhead is -1h0m0s, want 0s or more",
		"expireAhead: soon":            "soon",
		"spot: Sometimes":              `compute.disruption.spot "Sometimes" is not one of ExpectedCost and Never`,
		"spot: ExpectedCost":           "needs compute.disruption.interruptions",
		"interruptions: {a.large: -1}": "compute.disruption.interruptions.a.large is -1, want 0 or more",
		"restartCost: -0.1":            "compute.disruption.restartCost is -0.1, want 0 or more",
		"minSavings: 1":                "unknown field",
	} {
		_, err := load(t, plainConfig+"compute: {disruption: {"+line+"}}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", line, err, want)
		}
	}
}
