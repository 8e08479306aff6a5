package main

import "math"

// loadPrices reads the two price tables and cleans them.
//
// The older table covers all regions, but for some types it holds the price of
// dedicated tenancy, which is 6 to 21 per cent above the list price; so does
// the newer one for a few types. Within a family the list price follows the size
// closely, and the marked-up entries stand out: an entry whose ratio to
// us-east-1 is above the lowest ratio of its family by such a step is replaced
// by the family's ratio.
func (f *files) loadPrices(path, basePath string) error {
	var regions map[string]map[string]struct {
		OnDemand float64 `json:"on_demand"`
		Spot     float64 `json:"spot"`
	}
	if err := readJSON(path, &regions); err != nil {
		return err
	}
	var newer map[string]float64
	if err := readJSON(basePath, &newer); err != nil {
		return err
	}
	older := map[string]map[string]float64{}
	f.spot = map[string]map[string]float64{}
	for region, entries := range regions {
		older[region], f.spot[region] = map[string]float64{}, map[string]float64{}
		for name, e := range entries {
			older[region][name], f.spot[region][name] = e.OnDemand, e.Spot
		}
	}
	base := f.cleanBase(newer, older["us-east-1"])
	f.onDemand = map[string]map[string]float64{"us-east-1": base}
	for region, prices := range older {
		if region != "us-east-1" {
			f.onDemand[region] = f.cleanRegion(prices, older["us-east-1"], base)
		}
	}
	return nil
}

// markedUp tells whether high looks like the dedicated price of low.
func markedUp(high, low float64) bool { return high > low*1.035 && high < low*1.23 }

// cleanBase takes the newer price of each type unless the older one shows it to
// be a dedicated one, then removes what is marked up against its own family.
func (f *files) cleanBase(newer, older map[string]float64) map[string]float64 {
	base := map[string]float64{}
	for name, price := range newer {
		if old := older[name]; old > 0 && markedUp(price, old) {
			price = old
		}
		base[name] = price
	}
	perUnit := map[string]float64{} // lowest price per vCPU of a family
	for _, t := range f.types {
		if p := base[t.Name]; p > 0 && !t.Accelerated() {
			unit := p / float64(t.VCPUs)
			if low, ok := perUnit[t.Family()]; !ok || unit < low {
				perUnit[t.Family()] = unit
			}
		}
	}
	for _, t := range f.types {
		low, ok := perUnit[t.Family()]
		if !ok || t.Burstable || t.Storage.TotalGB > 0 {
			continue
		}
		if straight := low * float64(t.VCPUs); markedUp(base[t.Name], straight) {
			base[t.Name] = tidy(straight)
		}
	}
	return base
}

// cleanRegion brings a region's prices to the state of the newer us-east-1 ones.
func (f *files) cleanRegion(prices, olderBase, base map[string]float64) map[string]float64 {
	lowest := map[string]float64{}
	ratio := func(name string) float64 {
		if prices[name] <= 0 || base[name] <= 0 {
			return 0
		}
		r := prices[name] / base[name]
		if old := olderBase[name]; old > 1.3*base[name] { // the list price fell since
			r = prices[name] / old
		}
		return r
	}
	for _, t := range f.types {
		if r := ratio(t.Name); r > 0 {
			if low, ok := lowest[t.Family()]; !ok || r < low {
				lowest[t.Family()] = r
			}
		}
	}
	out := map[string]float64{}
	for _, t := range f.types {
		r := ratio(t.Name)
		switch {
		case r == 0:
		case markedUp(r, lowest[t.Family()]):
			out[t.Name] = tidy(base[t.Name] * lowest[t.Family()])
		case olderBase[t.Name] > 1.3*base[t.Name]:
			out[t.Name] = tidy(base[t.Name] * r)
		default:
			out[t.Name] = prices[t.Name]
		}
	}
	return out
}

// tidy rounds to five significant digits, and to five decimals at most.
func tidy(p float64) float64 {
	digits := math.Min(5, 4-math.Floor(math.Log10(p)))
	scale := math.Pow(10, digits)
	return math.Round(p*scale) / scale
}
