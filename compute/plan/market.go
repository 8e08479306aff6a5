package plan

import (
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// market has the instance types that NodePools may use: from the catalogue, put together as the controllers do with what
// the cloud tells them.
type market struct {
	facts      *instancetypes.Facts
	blocked    instancetypes.Blocked
	classes    map[string]*eksv1.NodeClass
	byClass    map[string][]*cloudprovider.InstanceType
	translated state.Types
}

func (s *Scenario) market(classes map[string]*eksv1.NodeClass) *market {
	m := &market{facts: Facts(s.Catalog, s.Region), blocked: s.Blocked, classes: classes, byClass: map[string][]*cloudprovider.InstanceType{}}
	if m.blocked == nil {
		m.blocked = func(string, string, string) bool { return false }
	}
	m.translated.VolumeLimits = volumeLimits(s.Catalog)
	return m
}

func volumeLimits(c *catalog.Catalog) func(string) map[string]int {
	return func(name string) map[string]int {
		t, ok := c.Type(name)
		if !ok {
			return nil
		}
		return instancetypes.VolumeLimits(t)
	}
}

// types lists the types of a pool; none where its NodeClass is not there.
func (m *market) types(pool *karpv1.NodePool) []*cloudprovider.InstanceType {
	ref := pool.Spec.Template.Spec.NodeClassRef
	if ref == nil || m.classes[ref.Name] == nil {
		return nil
	}
	if known, ok := m.byClass[ref.Name]; ok {
		return known
	}
	m.byClass[ref.Name] = instancetypes.Assemble(m.facts, m.classes[ref.Name], m.blocked)
	return m.byClass[ref.Name]
}

// list is types in the solver's terms.
func (m *market) list(pool *karpv1.NodePool) []*solver.InstanceType {
	return m.translated.Translate(m.types(pool))
}
