package operator

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/instancetypes"
)

// Keys of the ConfigMap in which the controllers tell what they know.
const (
	bulletinDisruption = "disruption"
	bulletinShortages  = "shortages"
)

// Bulletin is what the controllers of a cluster know beyond its objects and what decides with it.
type Bulletin struct {
	// Disruption and ComparePools are compute.disruption of the configuration.
	Disruption   disruption.Options
	ComparePools bool
	// Shortages are offerings that had no capacity a short while ago.
	Shortages []instancetypes.Shortage
}

// bulletinOf is the ConfigMap's content; none where there is nothing to tell.
func bulletinOf(config Config, shortages []instancetypes.Shortage) (map[string]string, error) {
	data := map[string]string{}
	tell := func(key string, value any) error {
		text, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("printing %s: %w", key, err)
		}
		if string(text) != "{}\n" {
			data[key] = string(text)
		}
		return nil
	}
	if err := tell(bulletinDisruption, config.Compute.Disruption); err != nil {
		return nil, err
	}
	if len(shortages) > 0 {
		if err := tell(bulletinShortages, shortages); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// ReadBulletin reads the ConfigMap's content.
func ReadBulletin(data map[string]string) (Bulletin, error) {
	var config DisruptionConfig
	var b Bulletin
	if err := yaml.Unmarshal([]byte(data[bulletinDisruption]), &config); err != nil {
		return b, fmt.Errorf("reading %s: %w", bulletinDisruption, err)
	}
	if err := yaml.Unmarshal([]byte(data[bulletinShortages]), &b.Shortages); err != nil {
		return b, fmt.Errorf("reading %s: %w", bulletinShortages, err)
	}
	settings := config.settings()
	b.Disruption, b.ComparePools = settings.Options, settings.ComparePools
	return b, nil
}
