package nodes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/yaml"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/labels"
)

// scenario is one file under testdata/selection: what a claim asks for, what has no capacity, and what is chosen.
type scenario struct {
	Requirements []karpv1.NodeSelectorRequirementWithMinValues `json:"requirements"`
	Requests     map[corev1.ResourceName]string                `json:"requests"`
	// Shortages are "type zone capacity-type" with "*" for any.
	Shortages []string `json:"shortages,omitempty"`
}

func TestSelect(t *testing.T) {
	files, err := filepath.Glob("testdata/selection/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			document, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, _, _ := strings.Cut(string(document), "---\n")
			var s scenario
			if err := yaml.UnmarshalStrict([]byte(input), &s); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("selection", filepath.Base(file)), []byte(input+"---\n"+s.run(t)))
		})
	}
}

func (s scenario) run(t *testing.T) string {
	labels.Register()
	claim := &karpv1.NodeClaim{Spec: karpv1.NodeClaimSpec{Requirements: s.Requirements}}
	claim.Spec.Resources.Requests = corev1.ResourceList{}
	for name, quantity := range s.Requests {
		claim.Spec.Resources.Requests[name] = resource.MustParse(quantity)
	}
	ctx := options.ToContext(context.Background(), &options.Options{MinValuesPolicy: options.MinValuesPolicyStrict})
	selection, err := Select(ctx, claim, instancetypes.Assemble(catalogFacts(), testClass(), s.blocked))
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	out := fmt.Sprintf("capacity type: %s\ntypes: %d\n", selection.CapacityType, len(selection.Types))
	for _, it := range selection.Types {
		out += fmt.Sprintf("%-16s %.4f\n", it.Name, cheapest(it, selection.Requirements))
	}
	return out
}

func (s scenario) blocked(instanceType, zone, capacityType string) bool {
	return slices.ContainsFunc(s.Shortages, func(shortage string) bool {
		var word [3]string
		_, _ = fmt.Sscan(shortage, &word[0], &word[1], &word[2])
		for i, value := range []string{instanceType, zone, capacityType} {
			if matched, _ := filepath.Match(word[i], value); !matched {
				return false
			}
		}
		return true
	})
}

func testClass() *eksv1.NodeClass {
	class := &eksv1.NodeClass{}
	for _, zone := range catalog.Default().Zones("us-east-1")[:3] {
		class.Status.Subnets = append(class.Status.Subnets, eksv1.Subnet{ID: "subnet-" + zone.ID, Zone: zone.Name, ZoneID: zone.ID})
	}
	return class
}

// catalogFacts are the facts of us-east-1 as the built-in catalog has them.
func catalogFacts() *instancetypes.Facts {
	c := catalog.Default()
	facts := &instancetypes.Facts{
		Region: "us-east-1", Types: c.Types(), Zones: map[string][]string{}, OnDemand: map[string]float64{}, Spot: map[string]map[string]float64{},
	}
	for _, it := range c.Types() {
		if price, ok := c.OnDemand("us-east-1", it.Name); ok {
			facts.OnDemand[it.Name] = price
		}
		facts.Spot[it.Name] = map[string]float64{}
		for _, zone := range c.Zones("us-east-1") {
			if !c.Offered("us-east-1", zone.Name, it.Name) {
				continue
			}
			facts.Zones[it.Name] = append(facts.Zones[it.Name], zone.Name)
			if price, ok := c.Spot("us-east-1", zone.Name, it.Name); ok {
				facts.Spot[it.Name][zone.Name] = price
			}
		}
	}
	return facts
}
