package plan

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/nodes/builtin"
)

// defaultZones is how many zones the subnets of a new cluster cover.
const defaultZones = 3

// Facts are what the catalogue says about a region.
func Facts(c *catalog.Catalog, region string) *instancetypes.Facts {
	facts := &instancetypes.Facts{Region: region, Zones: map[string][]string{}, OnDemand: map[string]float64{}, Spot: map[string]map[string]float64{}}
	for _, t := range c.Types() {
		if !c.Offered(region, "", t.Name) {
			continue
		}
		facts.Types = append(facts.Types, t)
		if price, ok := c.OnDemand(region, t.Name); ok {
			facts.OnDemand[t.Name] = price
		}
		for _, zone := range c.Zones(region) {
			if !c.Offered(region, zone.Name, t.Name) {
				continue
			}
			facts.Zones[t.Name] = append(facts.Zones[t.Name], zone.Name)
			if price, ok := c.Spot(region, zone.Name, t.Name); ok {
				if facts.Spot[t.Name] == nil {
					facts.Spot[t.Name] = map[string]float64{}
				}
				facts.Spot[t.Name][zone.Name] = price
			}
		}
	}
	return facts
}

// Subnets stand for a cluster's subnets: one in each of the zones, or in the region's first three. An unknown zone is
// an error.
func Subnets(c *catalog.Catalog, region string, zones []string) ([]eksv1.Subnet, error) {
	known := c.Zones(region)
	var subnets []eksv1.Subnet
	for _, z := range known {
		if len(zones) == 0 && len(subnets) < defaultZones {
			subnets = append(subnets, eksv1.Subnet{Zone: z.Name, ZoneID: z.ID})
		}
	}
	for _, name := range zones {
		found := false
		for _, z := range known {
			if z.Name == name || z.ID == name {
				subnets, found = append(subnets, eksv1.Subnet{Zone: z.Name, ZoneID: z.ID}), true
			}
		}
		if !found {
			return nil, fmt.Errorf("zone %q is not one of %s: %v", name, region, zoneNames(known))
		}
	}
	return subnets, nil
}

func zoneNames(zones []catalog.Zone) []string {
	names := make([]string, len(zones))
	for i, z := range zones {
		names[i] = z.Name
	}
	return names
}

// defaultClass is the NodeClass that a new cluster has.
func defaultClass() *eksv1.NodeClass {
	class := builtin.NodeClass(builtin.Settings{})
	class.UID = types.UID("NodeClass/" + class.Name)
	return class
}
