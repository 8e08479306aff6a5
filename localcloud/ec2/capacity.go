package ec2

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Shortage is capacity that the cloud does not have, for trying out what happens then. Empty members mean any.
type Shortage struct {
	Region       string    `json:"region"`
	InstanceType string    `json:"instanceType,omitempty"`
	Zone         string    `json:"zone,omitempty"`         // name or id
	CapacityType string    `json:"capacityType,omitempty"` // "spot" or "on-demand"
	Left         int       `json:"left,omitempty"`         // instances that can still be had
	Code         string    `json:"code,omitempty"`         // error code; InsufficientInstanceCapacity where empty
	Until        time.Time `json:"until,omitzero"`         // forever when zero
}

func (s Shortage) key() string {
	return strings.Join([]string{s.InstanceType, s.Zone, s.CapacityType}, "/")
}

func (s Shortage) concerns(l *launch, now time.Time) bool {
	return s.concernsIn(l, now, *l.subnet.AvailabilityZone, *l.subnet.AvailabilityZoneId)
}

// concernsIn says the same of the launch as if it were in another zone.
func (s Shortage) concernsIn(l *launch, now time.Time, zone, zoneID string) bool {
	inZone := s.Zone == "" || s.Zone == zone || s.Zone == zoneID
	return inZone && (s.InstanceType == "" || wildcard(s.InstanceType, l.shape.Name)) &&
		(s.CapacityType == "" || s.CapacityType == l.market()) && (s.Until.IsZero() || s.Until.After(now))
}

func (l *launch) market() string {
	if l.spot {
		return "spot"
	}
	return "on-demand"
}

// SetShortage takes capacity away; the same offering named again replaces what was said before.
func (s *Service) SetShortage(shortage Shortage) error {
	r, err := s.Region(shortage.Region)
	if err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		r.shortages.put(tx, shortage.key(), &shortage)
		return nil
	})
}

// ClearShortage gives capacity back that SetShortage took; an empty one clears all of the region.
func (s *Service) ClearShortage(shortage Shortage) error {
	r, err := s.Region(shortage.Region)
	if err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		for key := range r.shortages.rows {
			if key == shortage.key() || shortage.key() == "//" {
				r.shortages.drop(tx, key)
			}
		}
		return nil
	})
}

// Shortages lists what capacity is missing in a region.
func (s *Service) Shortages(name string) ([]Shortage, error) {
	r, err := s.Region(name)
	if err != nil {
		return nil, err
	}
	list := []Shortage{}
	r.view(func() {
		for _, sh := range r.shortages.rows {
			list = append(list, *sh)
		}
	})
	slices.SortFunc(list, func(a, b Shortage) int { return strings.Compare(a.key(), b.key()) })
	return list, nil
}

// takeCapacity fails when there is none for one more instance of the launch.
func (r *region) takeCapacity(tx *txn, l *launch) error {
	if arch := r.svc.arch; arch != "" && l.shape.Arch() != arch {
		return errorf("InsufficientInstanceCapacity", "There is no capacity for %s: the machines of this cloud are %s, the type is %s.", l.shape.Name, arch, l.shape.Arch())
	}
	now := r.svc.now()
	for key, sh := range r.shortages.rows {
		if !sh.concerns(l, now) {
			continue
		}
		if sh.Left > 0 {
			r.shortages.put(tx, key, with(sh, func(sh *Shortage) { sh.Left-- }))
			continue
		}
		return noCapacity(r, l, sh.Code)
	}
	return nil
}

// short says whether a zone has nothing left for a launch.
func (r *region) short(l *launch, zone, zoneID string) bool {
	for _, sh := range r.shortages.rows {
		if sh.Left == 0 && sh.concernsIn(l, r.svc.now(), zone, zoneID) {
			return true
		}
	}
	return false
}

func noCapacity(r *region, l *launch, code string) error {
	code = orText(code, "InsufficientInstanceCapacity")
	zone := *l.subnet.AvailabilityZone
	switch {
	case l.spot:
		return errorf(code, "There is no Spot capacity available that matches your request.")
	case code == "VcpuLimitExceeded":
		return errorf(code, "You have requested more vCPU capacity than your current vCPU limit allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.")
	}
	var others []string
	for _, z := range r.svc.catalog.Zones(r.name) {
		if z.Name != zone && r.svc.catalog.Offered(r.name, z.Name, l.shape.Name) && !r.short(l, z.Name, z.ID) {
			others = append(others, z.Name)
		}
	}
	text := fmt.Sprintf("We currently do not have sufficient %s capacity in the Availability Zone you requested (%s). Our system will be working on provisioning additional capacity.", l.shape.Name, zone)
	if len(others) > 0 {
		text += fmt.Sprintf(" You can currently get %s capacity by not specifying an Availability Zone in your request or choosing %s.", l.shape.Name, strings.Join(others, ", "))
	}
	return errorf(code, "%s", text)
}
