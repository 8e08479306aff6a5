package instancetypes

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// shortageMemory is how long an offering without capacity is left alone.
const shortageMemory = 3 * time.Minute

// Shortages remembers which offerings had no capacity a short while ago. It is safe for concurrent use.
type Shortages struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	until map[offeringKey]time.Time
	turn  uint64 // changes whenever an answer of Blocked may have changed
}

type offeringKey struct{ instanceType, zone, capacityType string }

// NewShortages starts with nothing remembered.
func NewShortages(clock clock.PassiveClock) *Shortages {
	return &Shortages{clock: clock, until: map[offeringKey]time.Time{}}
}

// Remember leaves an offering alone for three minutes. An empty type or zone stands for all of them.
func (s *Shortages) Remember(instanceType, zone, capacityType string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until[offeringKey{instanceType, zone, capacityType}] = s.clock.Now().Add(shortageMemory)
	s.turn++
}

// Blocked tells whether the offering is to be left alone.
func (s *Shortages) Blocked(instanceType, zone, capacityType string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for _, key := range []offeringKey{{instanceType, zone, capacityType}, {"", zone, capacityType}, {"", "", capacityType}} {
		if until, ok := s.until[key]; ok && now.Before(until) {
			return true
		}
	}
	return false
}

// Shortage is an offering to be left alone for a while. An empty type or zone stands for all of them.
type Shortage struct {
	InstanceType string    `json:"instanceType,omitempty"`
	Zone         string    `json:"zone,omitempty"`
	CapacityType string    `json:"capacityType"`
	Until        time.Time `json:"until"`
}

// List gives what is remembered now, in order of type, zone and capacity type.
func (s *Shortages) List() []Shortage {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	var list []Shortage
	for key, until := range s.until {
		if now.Before(until) {
			list = append(list, Shortage{key.instanceType, key.zone, key.capacityType, until.UTC()})
		}
	}
	slices.SortFunc(list, func(a, b Shortage) int {
		return cmp.Or(cmp.Compare(a.InstanceType, b.InstanceType), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.CapacityType, b.CapacityType))
	})
	return list
}

// Restore takes over what List gave.
func (s *Shortages) Restore(list []Shortage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range list {
		s.until[offeringKey{known.InstanceType, known.Zone, known.CapacityType}] = known.Until
	}
	s.turn++
}

// Turn forgets what is over and returns a number that differs from an earlier one if anything changed in between.
func (s *Shortages) Turn() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for key, until := range s.until {
		if !now.Before(until) {
			delete(s.until, key)
			s.turn++
		}
	}
	return s.turn
}
