package disruption

// balancedThreshold is what share of a pool's cost a move must save per share
// of the pool's disruption it causes: one over k, with k two.
const balancedThreshold = 0.5

// poolTotals are what shares of a pool are measured against.
type poolTotals struct {
	price, cost float64
}

func (p *planner) poolTotals() map[string]*poolTotals {
	out := map[string]*poolTotals{}
	for _, c := range p.candidates {
		t := out[c.Pool]
		if t == nil {
			t = &poolTotals{}
			out[c.Pool] = t
		}
		t.price += c.price
		t.cost += c.cost
	}
	return out
}

func (p *planner) balanced(c *candidate) bool { return c.pool.Policy == Balanced }

// score is how a saving for a disruption does in a pool.
func (p *planner) score(pool string, saving, cost float64) Score {
	s := Score{Pool: pool, Threshold: balancedThreshold}
	t := p.totals[pool]
	if t.price <= 0 || t.cost <= 0 {
		return s
	}
	s.Savings, s.Disruption = saving/t.price, cost/t.cost
	if s.Savings > 0 && s.Disruption > 0 {
		s.Score = s.Savings / s.Disruption
	}
	return s
}

// hopeless tells that not even doing without the node would be approved.
func (p *planner) hopeless(c *candidate) (Score, bool) {
	if !p.balanced(c) || p.totals[c.Pool].price <= 0 {
		return Score{}, false
	}
	s := p.score(c.Pool, c.price, c.cost)
	return s, s.Score < s.Threshold
}

// balance scores a step for each of its pools with policy Balanced; a saving
// over several pools is shared by what the removed nodes cost.
func (p *planner) balance(t part, v verdict) verdict {
	price, cost := map[string]float64{}, map[string]float64{}
	var pools []string
	for _, c := range t.nodes {
		if !p.balanced(c) {
			price[""] += c.price
			continue
		}
		if cost[c.Pool] == 0 {
			pools = append(pools, c.Pool)
		}
		price[c.Pool] += c.price
		cost[c.Pool] += c.cost
	}
	for _, pool := range pools {
		saving := v.step.Saving()
		if v.step.PriceBefore > 0 {
			saving *= price[pool] / v.step.PriceBefore
		}
		s := p.score(pool, saving, cost[pool])
		if s.Score < s.Threshold {
			return no(Rejected, "score %.2f < threshold %.2f (k: 2, savings %.1f%%, disruption %.1f%%)", s.Score, s.Threshold, 100*s.Savings, 100*s.Disruption)
		}
		v.step.Scores = append(v.step.Scores, s)
	}
	return v
}
