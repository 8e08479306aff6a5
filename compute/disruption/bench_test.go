package disruption

import (
	"testing"
)

// BenchmarkDisrupt is one decision over a whole cluster of half-empty nodes.
func BenchmarkDisrupt(b *testing.B) {
	for _, c := range []struct {
		name string
		f    fleet
	}{
		{"500 nodes", fleet{nodes: 500, pools: 10, apps: 60, perNode: 10, fill: 0.5, budget: "100%", size: "m5.xlarge"}},
		{"2000 nodes, budget 10%", fleet{nodes: 2000, pools: 10, apps: 60, perNode: 10, fill: 0.5, budget: "10%", size: "m5.xlarge"}},
		{"2000 nodes", fleet{nodes: 2000, pools: 10, apps: 60, perNode: 10, fill: 0.5, budget: "100%", size: "m5.xlarge"}},
		{"2000 nodes, hard spreads", fleet{nodes: 2000, pools: 10, apps: 60, perNode: 10, hard: true, fill: 0.5, budget: "100%", size: "m5.xlarge"}},
		{"nearly full, 2000 nodes", fleet{nodes: 2000, pools: 10, apps: 60, perNode: 10, hard: true, fill: 0.85, budget: "100%", size: "m5.xlarge"}},
		{"too large, 2000 nodes", fleet{nodes: 2000, pools: 10, apps: 60, perNode: 10, fill: 0.7, budget: "10%", size: "r5.2xlarge"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := generate(c.f, 1)
			for b.Loop() {
				plan := Disrupt(s)
				removed, added := 0, 0
				for _, step := range plan.Steps {
					removed += len(step.Nodes)
					added += len(step.Claims)
				}
				b.ReportMetric(float64(removed), "removed")
				b.ReportMetric(float64(added), "added")
				b.ReportMetric(float64(plan.Solves), "solves")
				b.ReportMetric(100*(1-plan.PriceAfter/plan.PriceBefore), "%saved")
			}
		})
	}
}
