package instancetypes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/catalog"
)

// Source answers from the cloud. Every call may be repeated.
type Source interface {
	// InstanceTypes lists all types of the region.
	InstanceTypes(ctx context.Context) ([]catalog.Type, error)
	// Offerings lists the zones of every type.
	Offerings(ctx context.Context) (map[string][]string, error)
	// OnDemandPrices gives dollars per hour by type.
	OnDemandPrices(ctx context.Context) (map[string]float64, error)
	// SpotPrices gives dollars per hour by type and zone.
	SpotPrices(ctx context.Context) (map[string]map[string]float64, error)
}

const (
	refreshEvery = 6 * time.Hour
	spotEvery    = time.Hour
	retryEvery   = 10 * time.Second
)

// ErrNotLoaded says that the cloud has not yet told its instance types.
var ErrNotLoaded = errors.New("instance types are not loaded yet")

// Provider keeps the facts of a region and hands out instance types per NodeClass. It is safe for concurrent use.
type Provider struct {
	region    string
	source    Source
	shortages *Shortages
	clock     clock.Clock

	mu    sync.Mutex
	facts *Facts
	byUID map[types.UID]assembledFor
	turn  uint64
}

type assembledFor struct {
	generation int64
	subnets    string
	turn       uint64
	shortages  uint64
	types      []*cloudprovider.InstanceType
}

// NewProvider makes a Provider with the facts of the built-in catalog, so that nothing has to wait for the cloud. Start
// replaces them by the cloud's own. In a region the catalog does not know there are none until then.
func NewProvider(region string, source Source, shortages *Shortages, clock clock.Clock) *Provider {
	return &Provider{
		region: region, source: source, shortages: shortages, clock: clock, facts: catalogFacts(region), byUID: map[types.UID]assembledFor{},
	}
}

// Start loads the facts and keeps them fresh until the context ends. A failed refresh keeps the facts of before.
func (p *Provider) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("instancetypes")
	nextTypes, nextPrices, nextSpot := time.Time{}, time.Time{}, time.Time{}
	for {
		now := p.clock.Now()
		steps := []struct {
			due   *time.Time
			every time.Duration
			name  string
			load  func(context.Context) error
		}{
			{&nextTypes, refreshEvery, "instance types", p.LoadTypes},
			{&nextSpot, spotEvery, "spot prices", p.loadSpot},
			{&nextPrices, refreshEvery, "on-demand prices", p.loadOnDemand},
		}
		for _, step := range steps {
			if now.Before(*step.due) {
				continue
			}
			if err := step.load(ctx); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				logger.Error(err, "refreshing "+step.name)
				*step.due = now.Add(retryEvery)
				continue
			}
			*step.due = now.Add(step.every)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.clock.After(retryEvery):
		}
	}
}

// NeedLeaderElection is false: every replica keeps facts, so that it can take over at once.
func (p *Provider) NeedLeaderElection() bool { return false }

// LoadTypes loads instance types and offerings. Prices are those of the built-in catalog until the cloud tells its own.
func (p *Provider) LoadTypes(ctx context.Context) error {
	all, err := p.source.InstanceTypes(ctx)
	if err != nil {
		return fmt.Errorf("listing instance types: %w", err)
	}
	zones, err := p.source.Offerings(ctx)
	if err != nil {
		return fmt.Errorf("listing instance type offerings: %w", err)
	}
	p.change(func(facts *Facts) {
		facts.Types, facts.Zones = all, zones
		fillFromCatalog(facts)
	})
	return nil
}

func (p *Provider) loadOnDemand(ctx context.Context) error {
	prices, err := p.source.OnDemandPrices(ctx)
	if err != nil {
		return fmt.Errorf("listing on-demand prices: %w", err)
	}
	p.change(func(facts *Facts) {
		facts.OnDemand = merged(facts.OnDemand, prices)
	})
	return nil
}

func (p *Provider) loadSpot(ctx context.Context) error {
	prices, err := p.source.SpotPrices(ctx)
	if err != nil {
		return fmt.Errorf("listing spot prices: %w", err)
	}
	p.change(func(facts *Facts) {
		facts.Spot = merged(facts.Spot, prices)
	})
	return nil
}

// change replaces the facts by a changed copy; readers keep what they have.
func (p *Provider) change(apply func(*Facts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := Facts{Region: p.region}
	if p.facts != nil {
		next = *p.facts
	}
	apply(&next)
	p.facts = &next
	p.turn++
}

// List gives the instance types for a NodeClass, with its subnets' zones and the current shortages.
func (p *Provider) List(class *eksv1.NodeClass) ([]*cloudprovider.InstanceType, error) {
	shortages := p.shortages.Turn()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.facts == nil || len(p.facts.Types) == 0 {
		return nil, ErrNotLoaded
	}
	subnets := fmt.Sprint(class.Status.Subnets)
	kept, ok := p.byUID[class.UID]
	if ok && kept.generation == class.Generation && kept.subnets == subnets && kept.turn == p.turn && kept.shortages == shortages {
		return kept.types, nil
	}
	assembled := Assemble(p.facts, class, p.shortages.Blocked)
	p.byUID[class.UID] = assembledFor{class.Generation, subnets, p.turn, shortages, assembled}
	return assembled, nil
}

// Type gives the facts about one type.
func (p *Provider) Type(name string) (*catalog.Type, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.facts == nil {
		return nil, false
	}
	for i := range p.facts.Types {
		if p.facts.Types[i].Name == name {
			return &p.facts.Types[i], true
		}
	}
	return nil, false
}

// catalogFacts are the types and offerings of the built-in catalog; nil for a region it does not know.
func catalogFacts(region string) *Facts {
	known := catalog.Default()
	zones := known.Zones(region)
	if len(zones) == 0 {
		return nil
	}
	facts := &Facts{Region: region, Types: known.Types(), Zones: map[string][]string{}}
	for i := range facts.Types {
		name := facts.Types[i].Name
		for _, zone := range zones {
			if known.Offered(region, zone.Name, name) {
				facts.Zones[name] = append(facts.Zones[name], zone.Name)
			}
		}
	}
	fillFromCatalog(facts)
	return facts
}

// fillFromCatalog takes prices from the built-in catalog where the cloud has told none.
func fillFromCatalog(facts *Facts) {
	prices := catalog.Default()
	onDemand, spot := map[string]float64{}, map[string]map[string]float64{}
	for i := range facts.Types {
		name := facts.Types[i].Name
		if price, ok := prices.OnDemand(facts.Region, name); ok {
			onDemand[name] = price
		}
		for _, zone := range facts.Zones[name] {
			if price, ok := prices.Spot(facts.Region, zone, name); ok {
				if spot[name] == nil {
					spot[name] = map[string]float64{}
				}
				spot[name][zone] = price
			}
		}
	}
	facts.OnDemand, facts.Spot = merged(onDemand, facts.OnDemand), merged(spot, facts.Spot)
}

func merged[V any](base, over map[string]V) map[string]V {
	result := make(map[string]V, len(base)+len(over))
	for name, value := range base {
		result[name] = value
	}
	for name, value := range over {
		result[name] = value
	}
	return result
}
