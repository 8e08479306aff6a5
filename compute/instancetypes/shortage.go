package instancetypes

import (
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
