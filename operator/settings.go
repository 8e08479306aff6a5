package operator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sigs.k8s.io/yaml"
)

// SettingsKind is the kind of a settings file.
const SettingsKind = "ControllerSettings"

// Settings are what of the configuration is the user's to choose where a program writes the rest. Their fields are those of
// Config.
type Settings struct {
	APIVersion     string          `json:"apiVersion"`
	Kind           string          `json:"kind"`
	Compute        ComputeSettings `json:"compute,omitzero"`
	Engine         string          `json:"engine,omitempty"`
	MetricsAddress string          `json:"metricsAddress,omitempty"`
	HealthAddress  string          `json:"healthAddress,omitempty"`
	LogLevel       string          `json:"logLevel,omitempty"`
}

// ComputeSettings are the user's part of ComputeConfig.
type ComputeSettings struct {
	Disruption DisruptionConfig `json:"disruption,omitzero"`
}

// with lays a settings file over the configuration: fields that it names win. A file that is not there changes nothing.
func (c Config) with(path string) (Config, error) {
	document, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("reading controller settings: %w", err)
	}
	var settings Settings
	if err := yaml.UnmarshalStrict(document, &settings); err != nil {
		return Config{}, fmt.Errorf("reading controller settings %s: %w", path, err)
	}
	if settings.APIVersion != APIVersion || settings.Kind != SettingsKind {
		return Config{}, fmt.Errorf("checking controller settings %s: apiVersion %q and kind %q, want %q and %q", path, settings.APIVersion, settings.Kind, APIVersion, SettingsKind)
	}
	if err := yaml.Unmarshal(document, &c); err != nil { // what the file does not name stays
		return Config{}, fmt.Errorf("reading controller settings %s: %w", path, err)
	}
	c.APIVersion, c.Kind = APIVersion, Kind
	if err := c.Check(); err != nil {
		return Config{}, fmt.Errorf("checking controller settings %s: %w", path, err)
	}
	return c, nil
}

// restarts tells whether a changed configuration needs another process: these fields are read at its start.
func (c Config) restarts(next Config) bool {
	return c.Engine != next.Engine || c.MetricsAddress != next.MetricsAddress || c.HealthAddress != next.HealthAddress || c.LogLevel != next.LogLevel ||
		c.LeaderElection != next.LeaderElection || c.Kubeconfig != next.Kubeconfig
}
