package catalog

import (
	"bytes"
	_ "embed"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"sync"
)

//go:embed data/catalog.txt.gz
var embedded []byte

// Region is an AWS region with its availability zones in order of name.
type Region struct {
	Name  string
	Zones []Zone
}

// Zone is one availability zone: its name as an account sees it and the id that
// means the same place for every account.
type Zone struct {
	Name   string
	ID     string
	Region string
}

// Catalog answers questions about instance types, offerings and prices. It is
// safe for concurrent use because nothing changes it.
type Catalog struct {
	updated string
	regions []Region
	types   []Type
	region  map[string]int
	byName  map[string]int

	// One row per region, one cell per type.
	offered   [][]uint8   // bit i: zone i of the region
	onDemand  [][]float64 // dollars per hour, 0 where unknown
	estimated [][]bool
	spot      [][]uint8 // per cent off the on-demand price, 0 where not sold
}

var load = sync.OnceValue(func() *Catalog {
	c, err := Read(bytes.NewReader(embedded))
	if err != nil {
		panic(fmt.Sprintf("reading the embedded catalog: %v", err))
	}
	return c
})

// Default is the catalog built into the binary, read on first use.
func Default() *Catalog { return load() }

// Updated is the day of the newest fact in the catalog, as YYYY-MM-DD.
func (c *Catalog) Updated() string { return c.updated }

// Types lists all instance types in order of name. The slice is shared: callers
// must not change it.
func (c *Catalog) Types() []Type { return c.types }

// Type finds a type by name. The result is shared and must not be changed.
func (c *Catalog) Type(name string) (*Type, bool) {
	i, ok := c.byName[name]
	if !ok {
		return nil, false
	}
	return &c.types[i], true
}

// Regions lists all regions in order of name.
func (c *Catalog) Regions() []Region { return c.regions }

// Region finds a region by name.
func (c *Catalog) Region(name string) (Region, bool) {
	i, ok := c.region[name]
	if !ok {
		return Region{}, false
	}
	return c.regions[i], true
}

// Zones lists the availability zones of a region, none for an unknown region.
func (c *Catalog) Zones(region string) []Zone {
	r, _ := c.Region(region)
	return r.Zones
}

// Offered tells whether a type is sold in a zone, given by name or by id. With
// an empty zone it tells whether any zone of the region sells it.
func (c *Catalog) Offered(region, zone, typeName string) bool {
	r, t, ok := c.cell(region, typeName)
	if !ok {
		return false
	}
	mask := c.offered[r][t]
	if zone == "" {
		return mask != 0
	}
	for i, z := range c.regions[r].Zones {
		if z.Name == zone || z.ID == zone {
			return mask&(1<<i) != 0
		}
	}
	return false
}

// OnDemand is the Linux on-demand list price in dollars per hour; false where
// no price is known.
func (c *Catalog) OnDemand(region, typeName string) (float64, bool) {
	r, t, ok := c.cell(region, typeName)
	if !ok || c.onDemand[r][t] == 0 {
		return 0, false
	}
	return c.onDemand[r][t], true
}

// Estimated tells whether the price of OnDemand was derived from the price in
// another region, because no list price of this region was at hand.
func (c *Catalog) Estimated(region, typeName string) bool {
	r, t, ok := c.cell(region, typeName)
	return ok && c.estimated[r][t]
}

// Spot is a typical spot price in dollars per hour of a type in a zone (name or
// id): the on-demand price less the region's observed discount of that type,
// moved by up to 6 per cent by a fixed function of zone and type. It is a model
// for planning, not a quotation; false where the type is not sold as spot there.
func (c *Catalog) Spot(region, zone, typeName string) (float64, bool) {
	r, t, ok := c.cell(region, typeName)
	if !ok || !c.Offered(region, zone, typeName) || c.spot[r][t] == 0 || c.onDemand[r][t] == 0 {
		return 0, false
	}
	price := c.onDemand[r][t] * (1 - float64(c.spot[r][t])/100) * zoneFactor(c.zoneID(r, zone), typeName)
	return math.Round(price*1e4) / 1e4, true
}

// Fee is the Auto Mode fee in dollars per hour: a share of the on-demand price,
// whatever the instance is bought as, rounded to five decimals.
func (c *Catalog) Fee(region, typeName string) (float64, bool) {
	price, ok := c.OnDemand(region, typeName)
	if !ok {
		return 0, false
	}
	return Fee(typeName, price), true
}

// Fee is the Auto Mode fee of a type with a given on-demand price.
func Fee(typeName string, onDemand float64) float64 {
	return math.Round(onDemand*FeeRate(typeName)*1e5) / 1e5
}

// FeeRate is the share of the on-demand price that the fee comes to: 12 %, and
// since July 2026 35 % less for G instances and 60 % less for P and Trainium.
func FeeRate(typeName string) float64 {
	t := Type{Name: typeName}
	switch t.Category() {
	case "g", "gr":
		return 0.12 * 0.65
	case "p", "trn":
		return 0.12 * 0.40
	}
	return 0.12
}

func (c *Catalog) cell(region, typeName string) (r, t int, ok bool) {
	r, ok = c.region[region]
	if !ok {
		return 0, 0, false
	}
	t, ok = c.byName[typeName]
	return r, t, ok
}

func (c *Catalog) zoneID(region int, zone string) string {
	for _, z := range c.regions[region].Zones {
		if z.Name == zone {
			return z.ID
		}
	}
	return zone
}

// zoneFactor is between 0.94 and 1.06, the same on every machine.
func zoneFactor(zoneID, typeName string) float64 {
	h := fnv.New32a()
	h.Write([]byte(strings.Join([]string{zoneID, typeName}, " ")))
	return 0.94 + 0.12*float64(h.Sum32()%1000)/999
}
