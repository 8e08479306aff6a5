package ec2

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// region is the state of one AWS region. Its lock is held only while rows are read or changed in memory, never while
// the store, the fabric or a machine works.
type region struct {
	svc     *Service
	name    string
	mu      sync.RWMutex
	loaders []loader

	settings   *table[regionSettings]
	vpcs       *table[vpcRow]
	subnets    *table[types.Subnet]
	tables     *table[types.RouteTable]
	igws       *table[types.InternetGateway]
	nats       *table[natRow]
	addresses  *table[types.Address]
	groups     *table[types.SecurityGroup] // without permissions: those are the rules
	rules      *table[types.SecurityGroupRule]
	interfaces *table[interfaceRow]
	templates  *table[templateRow]
	fleets     *table[fleetRow]
	instances  *table[instanceRow]
	spots      *table[types.SpotInstanceRequest]
	volumes    *table[volumeRow]
	keys       *table[keyRow]
	tokens     *table[tokenRow]
	placements *table[types.PlacementGroup]
	shortages  *table[Shortage]

	index indexes
	nets  *networks
}

// regionSettings is what a region remembers about itself.
type regionSettings struct {
	DefaultVPC string // id of the default VPC made when the region was first used
	Visibility types.ManagedResourceDefaultVisibility
}

func newRegion(s *Service, name string) *region {
	r := &region{svc: s, name: name, index: newIndexes()}
	r.settings = newTable[regionSettings](r, "settings", nil)
	r.vpcs = newTable[vpcRow](r, "vpcs", nil)
	r.subnets = newTable(r, "subnets", r.index.subnetChanged)
	r.tables = newTable[types.RouteTable](r, "route-tables", nil)
	r.igws = newTable[types.InternetGateway](r, "internet-gateways", nil)
	r.nats = newTable[natRow](r, "nat-gateways", nil)
	r.addresses = newTable(r, "addresses", r.index.addressChanged)
	r.groups = newTable[types.SecurityGroup](r, "security-groups", nil)
	r.rules = newTable(r, "security-group-rules", r.index.ruleChanged)
	r.interfaces = newTable(r, "network-interfaces", r.index.interfaceChanged)
	r.templates = newTable(r, "launch-templates", r.index.templateChanged)
	r.fleets = newTable[fleetRow](r, "fleets", nil)
	r.instances = newTable[instanceRow](r, "instances", nil)
	r.spots = newTable[types.SpotInstanceRequest](r, "spot-requests", nil)
	r.volumes = newTable(r, "volumes", r.index.volumeChanged)
	r.keys = newTable[keyRow](r, "key-pairs", nil)
	r.tokens = newTable[tokenRow](r, "client-tokens", nil)
	r.placements = newTable[types.PlacementGroup](r, "placement-groups", nil)
	r.shortages = newTable[Shortage](r, "shortages", nil)
	r.nets = newNetworks(r)
	return r
}

// view reads the region's state; f must not keep the lock busy with anything but memory.
func (r *region) view(f func()) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	f()
}

// update changes the region's state: when f fails nothing has changed; when update returns nil the change is on disk.
func (r *region) update(f func(*txn) error) error {
	tx := &txn{}
	r.mu.Lock()
	if err := f(tx); err != nil {
		tx.rollback()
		r.mu.Unlock()
		return err
	}
	wait := r.svc.commits.enqueue(tx.writes)
	r.mu.Unlock()
	if err := wait(); err != nil {
		return err
	}
	for _, start := range tx.after {
		start()
	}
	return nil
}

// regionOf returns the region of the call, made with its default VPC on first use.
func (s *Service) regionOf(ctx context.Context) (*region, error) {
	return s.Region(callOf(ctx).Region)
}

// Region returns the state of a region by name, making it with its default VPC on first use.
func (s *Service) Region(name string) (*region, error) {
	if r := s.known(name); r != nil {
		return r, nil
	}
	s.creating.Lock()
	defer s.creating.Unlock()
	if r := s.known(name); r != nil {
		return r, nil
	}
	if len(s.catalog.Zones(name)) == 0 {
		return nil, errorf("InvalidParameterValue", "Region %s is not known to this cloud", name)
	}
	r := newRegion(s, name)
	err := r.update(func(tx *txn) error {
		tx.writes = append(tx.writes, write{bucket: regionsBucket, key: name, value: true})
		r.createDefaultVPC(tx)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("creating the default VPC of region %q: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.regions[name] = r
	return r, nil
}

func (s *Service) known(name string) *region {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.regions[name]
}
