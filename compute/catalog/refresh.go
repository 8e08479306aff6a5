package catalog

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
)

// Source is where Refresh takes its facts from: AWS, the local cloud, or files.
type Source interface {
	// Day is the day that the facts are of, as YYYY-MM-DD.
	Day() string
	// Regions lists the regions to cover with their zones.
	Regions(ctx context.Context) ([]Region, error)
	// Types lists the instance types of a region (DescribeInstanceTypes). The
	// same type may come from several regions; the first answer counts.
	Types(ctx context.Context, region string) ([]Type, error)
	// Offerings maps a type to the ids of the zones that sell it.
	Offerings(ctx context.Context, region string) (map[string][]string, error)
	// OnDemand maps a type to its Linux on-demand price in dollars per hour.
	// Types without a known price are left out.
	OnDemand(ctx context.Context, region string) (map[string]float64, error)
	// Spot maps a type to a typical spot price in dollars per hour. Types
	// without a known price are left out.
	Spot(ctx context.Context, region string) (map[string]float64, error)
}

// Refresh gathers all facts from a source and writes them as a catalog file.
// What the source does not know of an offered type's price is estimated from
// the other regions and marked as such.
func Refresh(ctx context.Context, source Source, w io.Writer) error {
	c, err := gather(ctx, source)
	if err != nil {
		return err
	}
	return c.Write(w)
}

func gather(ctx context.Context, source Source) (*Catalog, error) {
	regions, err := source.Regions(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing regions: %w", err)
	}
	c := &Catalog{updated: source.Day(), regions: slices.Clone(regions), region: map[string]int{}, byName: map[string]int{}}
	sort.Slice(c.regions, func(i, j int) bool { return c.regions[i].Name < c.regions[j].Name })
	for i, r := range c.regions {
		c.region[r.Name] = i
		sort.Slice(r.Zones, func(i, j int) bool { return r.Zones[i].Name < r.Zones[j].Name })
		if err := c.addTypes(ctx, source, r.Name); err != nil {
			return nil, err
		}
	}
	sort.Slice(c.types, func(i, j int) bool { return c.types[i].Name < c.types[j].Name })
	for i := range c.types {
		c.byName[c.types[i].Name] = i
	}
	c.allocate()
	for r := range c.regions {
		if err := c.fillRegion(ctx, source, r); err != nil {
			return nil, err
		}
	}
	c.estimatePrices()
	c.estimateSpot()
	return c, nil
}

func (c *Catalog) addTypes(ctx context.Context, source Source, region string) error {
	types, err := source.Types(ctx, region)
	if err != nil {
		return fmt.Errorf("listing instance types of %s: %w", region, err)
	}
	for _, t := range types {
		if _, seen := c.byName[t.Name]; !seen {
			c.byName[t.Name] = len(c.types)
			c.types = append(c.types, t)
		}
	}
	return nil
}

func (c *Catalog) fillRegion(ctx context.Context, source Source, r int) error {
	region := c.regions[r]
	offerings, err := source.Offerings(ctx, region.Name)
	if err != nil {
		return fmt.Errorf("listing offerings of %s: %w", region.Name, err)
	}
	for name, zones := range offerings {
		t, ok := c.byName[name]
		if !ok {
			continue
		}
		for i, z := range region.Zones {
			if slices.Contains(zones, z.ID) {
				c.offered[r][t] |= 1 << i
			}
		}
	}
	prices, err := source.OnDemand(ctx, region.Name)
	if err != nil {
		return fmt.Errorf("listing on-demand prices of %s: %w", region.Name, err)
	}
	spot, err := source.Spot(ctx, region.Name)
	if err != nil {
		return fmt.Errorf("listing spot prices of %s: %w", region.Name, err)
	}
	for t := range c.types {
		c.onDemand[r][t] = prices[c.types[t].Name]
		if s, p := spot[c.types[t].Name], prices[c.types[t].Name]; s > 0 && s < p {
			c.spot[r][t] = uint8(min(95, max(1, math.Round(100*(1-s/p)))))
		}
	}
	return nil
}

// estimatePrices fills in prices of offered types that the region gave none
// for: the price in the region with the most prices times the median ratio of
// the two regions over the same family, else the same category, else all types.
func (c *Catalog) estimatePrices() {
	base := c.basis()
	for r := range c.regions {
		ratios := c.ratios(r, base)
		for t := range c.types {
			if c.offered[r][t] == 0 || c.onDemand[r][t] != 0 || c.onDemand[base][t] == 0 {
				continue
			}
			c.onDemand[r][t] = round(c.onDemand[base][t]*ratios(&c.types[t]), 4)
			c.estimated[r][t] = true
		}
	}
}

// basis is the region with the most known prices, the first by name of equals.
func (c *Catalog) basis() int {
	best, most := 0, -1
	for r := range c.regions {
		n := 0
		for _, p := range c.onDemand[r] {
			if p != 0 {
				n++
			}
		}
		if n > most {
			best, most = r, n
		}
	}
	return best
}

// ratios gives the factor from the base region's price to region r's.
func (c *Catalog) ratios(r, base int) func(*Type) float64 {
	groups := map[string][]float64{}
	for t := range c.types {
		if c.onDemand[r][t] == 0 || c.onDemand[base][t] == 0 {
			continue
		}
		ratio := c.onDemand[r][t] / c.onDemand[base][t]
		for _, key := range ratioGroups(&c.types[t]) {
			groups[key] = append(groups[key], ratio)
		}
	}
	medians := map[string]float64{}
	for key, values := range groups {
		medians[key] = median(values)
	}
	return func(t *Type) float64 {
		for _, key := range ratioGroups(t) {
			if m, ok := medians[key]; ok {
				return m
			}
		}
		return 1
	}
}

func ratioGroups(t *Type) []string {
	return []string{"family " + t.Family(), "category " + t.Category() + " " + t.Arch(), "category " + t.Category(), "all"}
}

// estimateSpot gives each spot offering without an observed discount the median
// discount of its category in the region, else of all regions.
func (c *Catalog) estimateSpot() {
	var all []float64
	for r := range c.regions {
		for _, s := range c.spot[r] {
			if s != 0 {
				all = append(all, float64(s))
			}
		}
	}
	fallback := 60.0
	if len(all) > 0 {
		fallback = median(all)
	}
	for r := range c.regions {
		groups := map[string][]float64{}
		for t, s := range c.spot[r] {
			if s != 0 {
				groups[c.types[t].Category()] = append(groups[c.types[t].Category()], float64(s))
			}
		}
		for t := range c.types {
			if c.spot[r][t] != 0 || c.offered[r][t] == 0 || c.onDemand[r][t] == 0 || !c.types[t].Supports("spot") {
				continue
			}
			discount := fallback
			if values := groups[c.types[t].Category()]; len(values) > 0 {
				discount = median(values)
			}
			c.spot[r][t] = uint8(math.Round(discount))
		}
	}
}

func median(values []float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// round keeps n digits after the decimal point.
func round(f float64, n int) float64 {
	scale := math.Pow(10, float64(n))
	return math.Round(f*scale) / scale
}
