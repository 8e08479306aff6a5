package engine
import ("testing";"github.com/automode-dev/automode/compute/solver")
func TestDbg(t *testing.T){ c:=Generate(*seed).HardOnly()
		fails := func(c *Case) bool {
			k, err := c.Karpenter()
			plan := solver.Solve(c.Snapshot())
			return err == nil && c.covered() && len(plan.Unplaced) > k.Unplaced && !c.passesNodeLimit(plan)
		}
 if fails(c) {c=Shrink(c,fails)}
 p:=solver.Solve(c.Snapshot()); for _,cl:=range p.Claims { t.Log(cl.Pool,cl.Cheapest,cl.Requirements,cl.Types); for _,x:=range cl.Pods {t.Log("   ",x.Name)} }
 for _,u:=range p.Unplaced {t.Log(u.Pod.Name,u.Reasons)}
 for _,u:=range p.Placements {t.Log(u.Node); for _,x:=range u.Pods {t.Log("   ",x.Name)} }
 t.Log(c)
}
