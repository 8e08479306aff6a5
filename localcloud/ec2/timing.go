package ec2

import (
	"encoding/json"
	"fmt"
	"time"
)

// Timing is how long the cloud takes; the zero value is as fast as possible. As JSON its durations are texts such as "1m30s".
type Timing struct {
	Pending      time.Duration // pending to running, at least
	Boot         time.Duration // running to the machine's first instruction
	ShuttingDown time.Duration // shutting-down to terminated, at least
	Stopping     time.Duration // stopping to stopped, at least
	Volume       time.Duration // creating to available, attaching to attached, detaching to available
	NATGateway   time.Duration // pending to available, deleting to deleted
}

// words names the durations as the control API does.
func (t *Timing) words() map[string]*time.Duration {
	return map[string]*time.Duration{"pending": &t.Pending, "boot": &t.Boot, "shuttingDown": &t.ShuttingDown, "stopping": &t.Stopping,
		"volume": &t.Volume, "natGateway": &t.NATGateway}
}

// MarshalJSON writes every duration.
func (t Timing) MarshalJSON() ([]byte, error) {
	texts := map[string]string{}
	for word, d := range t.words() {
		texts[word] = d.String()
	}
	return json.Marshal(texts)
}

// UnmarshalJSON reads the durations that are given; the others stay.
func (t *Timing) UnmarshalJSON(data []byte) error {
	var texts map[string]string
	if err := json.Unmarshal(data, &texts); err != nil {
		return err
	}
	words := t.words()
	for word, text := range texts {
		d, err := time.ParseDuration(text)
		if words[word] == nil {
			return fmt.Errorf("no duration is called %q", word)
		}
		if err != nil || d < 0 {
			return fmt.Errorf("%s is %q, want a duration such as 1m30s", word, text)
		}
		*words[word] = d
	}
	return nil
}
