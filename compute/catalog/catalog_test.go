package catalog

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTypeFacts(t *testing.T) {
	c5a, ok := Default().Type("c5a.large")
	if !ok {
		t.Fatal("c5a.large is not in the catalog")
	}
	got := map[string]any{
		"vcpus": c5a.VCPUs, "memory": c5a.MemoryMiB, "interfaces": c5a.Network.Interfaces, "ipv4": c5a.Network.IPv4PerInterface,
		"network": c5a.BaselineNetworkMbps(), "ebs": c5a.EBS.MaxMbps, "clock": int(c5a.ClockGHz * 1000), "arch": c5a.Arch(),
		"family": c5a.Family(), "size": c5a.Size(), "category": c5a.Category(), "generation": c5a.Generation(),
		"hypervisor": c5a.Hypervisor, "manufacturer": c5a.Manufacturer, "encryption": c5a.Network.EncryptionInTransit,
	}
	want := map[string]any{
		"vcpus": 2, "memory": int64(4096), "interfaces": 3, "ipv4": 10, "network": int64(750), "ebs": 3170, "clock": 3300, "arch": "amd64",
		"family": "c5a", "size": "large", "category": "c", "generation": 5, "hypervisor": "nitro", "manufacturer": "AMD", "encryption": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("c5a.large (-want +got):\n%s", diff)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]struct {
		category   string
		generation int
		flex       bool
	}{
		"c7i-flex.large":   {"c", 7, true},
		"inf2.xlarge":      {"inf", 2, false},
		"p6-b200.48xlarge": {"p", 6, false},
		"u-6tb1.56xlarge":  {"u", 0, false},
		"im4gn.large":      {"im", 4, false},
		"hpc8a.96xlarge":   {"hpc", 8, false},
	} {
		typ := Type{Name: name}
		if typ.Category() != want.category || typ.Generation() != want.generation || typ.Flex() != want.flex {
			t.Errorf("%s: category %q, generation %d, flex %v, want %+v", name, typ.Category(), typ.Generation(), typ.Flex(), want)
		}
	}
}

func TestFees(t *testing.T) {
	for _, test := range []struct {
		region, name string
		price, fee   float64
	}{
		{"us-east-1", "c6a.2xlarge", 0.306, 0.03672},
		{"ap-northeast-1", "c6g.large", 0.0856, 0.01027},
		{"us-east-1", "t3.medium", 0.0416, 0.00499},
		{"us-east-1", "m7i.large", 0.1008, 0.01210},
		{"us-east-1", "r6i.large", 0.126, 0.01512},
	} {
		price, ok := Default().OnDemand(test.region, test.name)
		fee, _ := Default().Fee(test.region, test.name)
		if !ok || price != test.price || fee != test.fee {
			t.Errorf("%s in %s: price %v (known %v), fee %v, want %v and %v", test.name, test.region, price, ok, fee, test.price, test.fee)
		}
	}
	if got := Fee("p4d.24xlarge", 100); got != 4.8 {
		t.Errorf("fee of a P type at 100 dollars: %v, want 4.8", got)
	}
	if got := Fee("g5.xlarge", 100); got != 7.8 {
		t.Errorf("fee of a G type at 100 dollars: %v, want 7.8", got)
	}
}

func TestOfferings(t *testing.T) {
	c := Default()
	if got := len(c.Zones("us-east-1")); got != 6 {
		t.Errorf("us-east-1 has %d zones, want 6", got)
	}
	if !c.Offered("us-east-1", "use1-az1", "c5a.large") || !c.Offered("us-east-1", "", "c5a.large") {
		t.Error("c5a.large is not offered in us-east-1")
	}
	if c.Offered("us-east-1", "use1-az3", "c7g.large") {
		t.Error("c7g.large is offered in use1-az3")
	}
	if c.Offered("nowhere-1", "", "c5a.large") || c.Offered("us-east-1", "", "c5a.tiny") || c.Offered("us-east-1", "x", "c5a.large") {
		t.Error("an unknown region, zone or type is offered")
	}
}

// Every price that a plan could meet is known and sane: spot is below
// on-demand, and twice the size of the same family never costs less.
func TestPricesAreSane(t *testing.T) {
	c := Default()
	for _, r := range c.Regions() {
		for i := range c.Types() {
			typ := &c.Types()[i]
			if !typ.AutoMode() || !c.Offered(r.Name, "", typ.Name) {
				continue
			}
			price, ok := c.OnDemand(r.Name, typ.Name)
			if !ok {
				if !slices.Contains(unpriced, typ.Family()) {
					t.Errorf("%s in %s has no price", typ.Name, r.Name)
				}
				continue
			}
			for _, z := range r.Zones {
				spot, ok := c.Spot(r.Name, z.ID, typ.Name)
				if ok && (spot <= 0 || spot >= price) {
					t.Errorf("%s in %s: spot %v, on-demand %v", typ.Name, z.ID, spot, price)
				}
			}
			if bigger, ok := c.OnDemand(r.Name, typ.Family()+".2xlarge"); ok && typ.Size() == "xlarge" && bigger <= price {
				t.Errorf("%s.2xlarge in %s costs %v, xlarge %v", typ.Family(), r.Name, bigger, price)
			}
		}
	}
}

// unpriced families are not in the public price list (capacity blocks only) or
// are newer than it.
var unpriced = []string{"hpc8a", "p5e", "trn2", "x8aedz"}

func TestAutoModeFamilies(t *testing.T) {
	have := map[string]bool{}
	for i := range Default().Types() {
		have[Default().Types()[i].Family()] = true
	}
	var missing []string
	for _, family := range strings.Fields(autoModeFamilies) {
		if !have[family] {
			missing = append(missing, family)
		}
	}
	if diff := cmp.Diff([]string{"c9g", "c9gd", "m9gd", "r9g", "p3"}, missing); diff != "" {
		t.Errorf("documented families without data; bring data/README.md up to date (-want +got):\n%s", diff)
	}
}

func TestWriteAndReadAgain(t *testing.T) {
	var first, second bytes.Buffer
	if err := Default().Write(&first); err != nil {
		t.Fatal(err)
	}
	again, err := Read(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), again, cmp.AllowUnexported(Catalog{})); diff != "" {
		t.Errorf("written and read again (-want +got):\n%s", diff)
	}
	if err := again.Write(&second); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same content gave other bytes")
	}
	if len(embedded) > 1<<20 {
		t.Errorf("the embedded catalog is %d bytes, at most 1 MiB is wanted", len(embedded))
	}
}

func TestReadRefusesOtherFiles(t *testing.T) {
	for name, data := range map[string]string{"empty": "", "text": "hello"} {
		if _, err := Read(strings.NewReader(data)); err == nil {
			t.Errorf("%s file was read as a catalog", name)
		}
	}
}

// fixed is a source of two regions, the second with a price for one type only.
type fixed struct{}

func (fixed) Day() string { return "2026-01-02" }
func (fixed) Regions(context.Context) ([]Region, error) {
	return []Region{{Name: "b", Zones: []Zone{{"b1", "b-az1", "b"}}}, {Name: "a", Zones: []Zone{{"a2", "a-az2", "a"}, {"a1", "a-az1", "a"}}}}, nil
}
func (fixed) Types(context.Context, string) ([]Type, error) {
	return []Type{{Name: "m1.large", VCPUs: 2, UsageClasses: []string{"spot"}}, {Name: "m1.small", VCPUs: 1}}, nil
}
func (fixed) Offerings(_ context.Context, region string) (map[string][]string, error) {
	return map[string][]string{"m1.large": {region + "-az1"}, "m1.small": {region + "-az1"}, "m9.big": {region + "-az1"}}, nil
}
func (fixed) OnDemand(_ context.Context, region string) (map[string]float64, error) {
	if region == "a" {
		return map[string]float64{"m1.large": 0.2, "m1.small": 0.1}, nil
	}
	return map[string]float64{"m1.small": 0.15}, nil
}
func (fixed) Spot(_ context.Context, region string) (map[string]float64, error) {
	return map[string]float64{"m1.large": 0.05}, nil
}

func TestRefresh(t *testing.T) {
	var b bytes.Buffer
	if err := Refresh(context.Background(), fixed{}, &b); err != nil {
		t.Fatal(err)
	}
	c, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	price, ok := c.OnDemand("b", "m1.large")
	if !ok || price != 0.3 || !c.Estimated("b", "m1.large") || c.Estimated("b", "m1.small") {
		t.Errorf("m1.large in b: price %v, known %v, estimated %v; want an estimate of 0.3", price, ok, c.Estimated("b", "m1.large"))
	}
	if !c.Offered("a", "a1", "m1.large") || c.Offered("a", "a2", "m1.large") {
		t.Error("m1.large is not offered in just a1")
	}
	spot, ok := c.Spot("a", "a1", "m1.large")
	if !ok || spot < 0.94*0.05 || spot > 1.06*0.05 {
		t.Errorf("spot price %v (known %v), want about 0.05", spot, ok)
	}
	if _, ok := c.Spot("a", "a1", "m1.small"); ok {
		t.Error("m1.small has a spot price although it is not sold as spot")
	}
}

func TestLoadIsQuick(t *testing.T) {
	best := time.Hour
	for range 5 {
		start := time.Now()
		if _, err := Read(bytes.NewReader(embedded)); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	t.Logf("reading the embedded catalog takes %v", best)
	if best > 200*time.Millisecond {
		t.Errorf("reading the embedded catalog takes %v", best)
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := Read(bytes.NewReader(embedded)); err != nil {
			b.Fatal(err)
		}
	}
}
