package nodes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
	"k8s.io/utils/clock"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/instancetypes"
)

// maxOverrides is the largest number of offerings in one launch that EC2 accepts.
const maxOverrides = 300

// fullSubnetMemory is how long a subnet without free addresses is left alone.
const fullSubnetMemory = 3 * time.Minute

// LaunchAPI is what launching asks of the cloud.
type LaunchAPI interface {
	// Subnets finds subnets; ids that do not exist are left out.
	Subnets(ctx context.Context, selectors []compute.Selector) ([]compute.Subnet, error)
	// Image reads the image id that a public parameter names.
	Image(ctx context.Context, parameter string) (string, error)
	// CreateLaunchTemplate makes a template; one of that name already there is fine.
	CreateLaunchTemplate(ctx context.Context, template compute.LaunchTemplate) error
	// Launch asks for one instance; refused offerings are part of the outcome.
	Launch(ctx context.Context, launch compute.Launch) (compute.Launched, error)
}

// launcher walks a selection: template by template, then one fleet.
type launcher struct {
	cloud     LaunchAPI
	types     *instancetypes.Provider
	images    *images
	shortages *instancetypes.Shortages
	clock     clock.PassiveClock

	templates *cache.Cache // names known to exist

	mu   sync.Mutex
	full map[string]time.Time // subnets without free addresses, until when
}

func newLauncher(cloud LaunchAPI, types *instancetypes.Provider, images *images, shortages *instancetypes.Shortages, clock clock.PassiveClock) *launcher {
	return &launcher{
		cloud: cloud, types: types, images: images, shortages: shortages, clock: clock,
		templates: cache.New(5*time.Minute, 10*time.Minute), full: map[string]time.Time{},
	}
}

// launch gives the claim an instance. The error is an InsufficientCapacityError when the cloud has none now, and a
// CreateError that says what to show on the claim otherwise.
func (l *launcher) launch(ctx context.Context, cluster Cluster, class *eksv1.NodeClass, claim *karpv1.NodeClaim, selection Selection) (*compute.Instance, error) {
	groups, err := l.groups(ctx, cluster, class, claim, selection)
	if err != nil {
		return nil, createError("Error getting launch template configs", err)
	}
	if len(groups) == 0 {
		return nil, cloudprovider.NewInsufficientCapacityError(errors.New("no subnet with free addresses in the zones of the offerings"))
	}
	outcome, err := l.cloud.Launch(ctx, compute.Launch{
		CapacityType: selection.CapacityType,
		Groups:       groups,
		Tags:         Tags(cluster.Name, class, claim.Labels[karpv1.NodePoolLabelKey]),
	})
	if err != nil {
		if compute.IsNotFound(err) {
			l.templates.Flush() // somebody removed a template; the next attempt makes it again
		}
		return nil, createError("Error creating fleet", err)
	}
	l.remember(selection.CapacityType, outcome.Refusals)
	if outcome.Instance == nil {
		return nil, l.refused(outcome.Refusals)
	}
	return outcome.Instance, nil
}

// groups makes sure that the templates exist and pairs them with the offerings, the cheapest offerings first.
func (l *launcher) groups(ctx context.Context, cluster Cluster, class *eksv1.NodeClass, claim *karpv1.NodeClaim, selection Selection) ([]compute.LaunchGroup, error) {
	subnets, err := l.subnets(ctx, class)
	if err != nil {
		return nil, err
	}
	templates := map[shape]compute.LaunchTemplate{}
	byName := map[string]*compute.LaunchGroup{}
	var groups []*compute.LaunchGroup
	for _, it := range selection.Types {
		overrides := selection.Overrides(it, subnets)
		facts, ok := l.types.Type(it.Name)
		if !ok || len(overrides) == 0 {
			continue
		}
		image, err := l.images.forType(ctx, cluster, facts)
		if compute.IsNotFound(err) {
			continue // no image for such devices in this version
		}
		if err != nil {
			return nil, err
		}
		of := shape{image, facts.VCPUs, instancetypes.MaxPods(facts), instancetypes.NVMeHoldsData(facts, class)}
		template, known := templates[of]
		if !known {
			if template, err = Template(cluster, class, claim, selection.CapacityType, image, facts); err != nil {
				return nil, err
			}
			templates[of] = template
		}
		if byName[template.Name] == nil {
			byName[template.Name] = &compute.LaunchGroup{TemplateName: template.Name}
			groups = append(groups, byName[template.Name])
		}
		byName[template.Name].Overrides = append(byName[template.Name].Overrides, overrides...)
	}
	kept := limitOverrides(groups)
	for _, template := range templates {
		if !slices.ContainsFunc(kept, func(g compute.LaunchGroup) bool { return g.TemplateName == template.Name }) {
			continue
		}
		if err := l.ensureTemplate(ctx, template); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// shape is all of an instance type that its launch template depends on.
type shape struct {
	imageID string
	vCPUs   int
	maxPods int64
	nvme    bool // the data volume is on it
}

func (l *launcher) ensureTemplate(ctx context.Context, template compute.LaunchTemplate) error {
	if _, known := l.templates.Get(template.Name); known {
		l.templates.SetDefault(template.Name, true)
		return nil
	}
	if err := l.cloud.CreateLaunchTemplate(ctx, template); err != nil {
		return err
	}
	l.templates.SetDefault(template.Name, true)
	return nil
}

// limitOverrides keeps the cheapest offerings when there are more than a launch may name.
func limitOverrides(groups []*compute.LaunchGroup) []compute.LaunchGroup {
	var prices []float64
	for _, group := range groups {
		for _, o := range group.Overrides {
			prices = append(prices, o.Priority)
		}
	}
	limit := 0.0
	if len(prices) > maxOverrides {
		slices.Sort(prices)
		limit = prices[maxOverrides-1]
	}
	var kept []compute.LaunchGroup
	total := 0
	for _, group := range groups {
		next := compute.LaunchGroup{TemplateName: group.TemplateName}
		for _, o := range group.Overrides {
			if (limit == 0 || o.Priority <= limit) && total < maxOverrides {
				next.Overrides = append(next.Overrides, o)
				total++
			}
		}
		if len(next.Overrides) > 0 {
			slices.SortFunc(next.Overrides, func(a, b compute.Override) int { return cmp.Compare(a.Priority, b.Priority) })
			kept = append(kept, next)
		}
	}
	return kept
}

func (l *launcher) subnets(ctx context.Context, class *eksv1.NodeClass) (map[string]string, error) {
	var selectors []compute.Selector
	for _, subnet := range class.Status.Subnets {
		selectors = append(selectors, compute.Selector{ID: subnet.ID})
	}
	found, err := l.cloud.Subnets(ctx, selectors)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	return subnetByZone(slices.DeleteFunc(found, func(s compute.Subnet) bool { return now.Before(l.full[s.ID]) })), nil
}

// remember keeps what the cloud refused, so that the next attempt tries something else.
func (l *launcher) remember(capacityType string, refusals []compute.Refusal) {
	for _, refusal := range refusals {
		switch {
		case refusal.Failure.Code == "InsufficientFreeAddressesInSubnet" || refusal.Failure.Code == "InsufficientCidrBlocks":
			l.mu.Lock()
			l.full[refusal.Override.SubnetID] = l.clock.Now().Add(fullSubnetMemory)
			l.mu.Unlock()
		case refusal.Failure.Code == "AuthFailure.ServiceLinkedRoleCreationNotPermitted":
			l.shortages.Remember("", "", compute.Spot)
		case refusal.Failure.Kind == compute.NoCapacity && refusal.Override.InstanceType != "":
			l.shortages.Remember(refusal.Override.InstanceType, refusal.Override.Zone, capacityType)
		case compute.IsNotFound(refusal.Failure):
			l.templates.Flush()
		}
	}
}

// refused turns a launch without instance into the error that fits: no capacity when that was the only reason.
func (l *launcher) refused(refusals []compute.Refusal) error {
	var shortages []error
	for _, refusal := range refusals {
		if refusal.Failure.Kind != compute.NoCapacity {
			return createError("Error creating fleet", refusal.Failure)
		}
		shortages = append(shortages, fmt.Errorf("%s in %s: %w", refusal.Override.InstanceType, refusal.Override.Zone, refusal.Failure))
	}
	if len(shortages) == 0 {
		return createError("Error creating fleet", errors.New("the cloud returned neither an instance nor an error"))
	}
	return cloudprovider.NewInsufficientCapacityError(fmt.Errorf("creating fleet: %w", errors.Join(shortages[:min(len(shortages), 5)]...)))
}
