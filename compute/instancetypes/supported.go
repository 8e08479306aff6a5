package instancetypes

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"github.com/automode-dev/automode/compute/catalog"
)

//go:embed families.txt
var familiesText string

var families = sync.OnceValue(func() map[string]bool {
	known := map[string]bool{}
	for line := range strings.Lines(familiesText) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, family := range strings.Fields(line) {
			known[family] = true
		}
	}
	return known
})

var smallSizes = []string{"nano", "micro", "small"}

// Supported tells whether Auto Mode launches the type: a known family, more than one vCPU, larger than small, no bare
// metal, an architecture the node image exists for, and hardware virtualisation.
func Supported(t *catalog.Type) bool {
	switch {
	case t.VCPUs <= 1, slices.Contains(smallSizes, t.Size()), !families()[t.Family()]:
		return false
	case t.BareMetal || strings.HasPrefix(t.Size(), "metal"):
		return false
	case t.Arch() == "":
		return false
	case len(t.VirtualizationTypes) > 0 && !slices.Contains(t.VirtualizationTypes, "hvm"):
		return false
	}
	return true
}
