package cli

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/automode-dev/automode/cloud/catalogsource"
	"github.com/automode-dev/automode/compute/catalog"
)

func (a *app) catalogCommand() *cobra.Command {
	parent := &cobra.Command{Use: "catalog", Short: "Instance types, where they are sold and what they cost"}
	parent.AddCommand(a.catalogTypesCommand(), a.catalogRefreshCommand())
	return parent
}

// offer is one row of `automode catalog types`: prices in dollars per hour.
type offer struct {
	Type      string  `json:"type"`
	Arch      string  `json:"arch"`
	VCPUs     int     `json:"vcpus"`
	MemoryMiB int64   `json:"memoryMiB"`
	OnDemand  float64 `json:"onDemand"`
	Fee       float64 `json:"autoModeFee"` // what EKS Auto Mode charges on top
}

func (a *app) catalogTypesCommand() *cobra.Command {
	var out format
	region := defaultConfig().Region
	cmd := &cobra.Command{
		Use:     "types [FAMILY|TYPE]",
		Short:   "List instance types of a region with prices and the Auto Mode fee",
		Example: "  automode catalog types c6a\n  automode catalog types --region ap-northeast-1 -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkRegion(region); err != nil {
				return err
			}
			wanted := ""
			if len(args) == 1 {
				wanted = args[0]
			}
			t := offerTable(catalog.Default(), region, wanted)
			if wanted != "" && len(t.rows) == 0 {
				return &Failure{ID: NotFound, Advice: "`automode catalog types` lists what is offered there", Err: fmt.Errorf("no instance type or family %q in %s", wanted, region)}
			}
			return out.print(a.Out, t)
		},
	}
	cmd.Flags().StringVar(&region, "region", region, "AWS region")
	out.addFlag(cmd)
	return cmd
}

// offerTable lists the types of a family, the one type of that name, or all.
func offerTable(c *catalog.Catalog, region, wanted string) table {
	offers := []offer{}
	t := table{columns: []column{{name: "TYPE"}, {name: "ARCH"}, {name: "VCPU"}, {name: "MEMORY MIB"}, {name: "ON-DEMAND $/H"}, {name: "AUTO MODE FEE $/H"}}}
	for _, it := range c.Types() {
		price, known := c.OnDemand(region, it.Name)
		if !known || wanted != "" && it.Family() != wanted && it.Name != wanted {
			continue
		}
		o := offer{Type: it.Name, Arch: it.Arch(), VCPUs: it.VCPUs, MemoryMiB: it.MemoryMiB, OnDemand: price, Fee: catalog.Fee(it.Name, price)}
		offers = append(offers, o)
		t.rows = append(t.rows, []string{o.Type, orDash(o.Arch), strconv.Itoa(o.VCPUs), strconv.FormatInt(o.MemoryMiB, 10), fmt.Sprint(o.OnDemand), fmt.Sprint(o.Fee)})
	}
	t.doc = offers
	return t
}

func (a *app) catalogRefreshCommand() *cobra.Command {
	var regions []string
	var file string
	cmd := &cobra.Command{
		Use:   "refresh --file FILE",
		Short: "Gather the catalogue's facts anew from the AWS APIs",
		Long: `Asks DescribeInstanceTypes, DescribeInstanceTypeOfferings, DescribeSpotPriceHistory and the price list, with the environment's credentials and
endpoint, and writes a catalogue file. The file in the source tree is compute/catalog/data/catalog.txt.gz; a build takes it in.`,
		Example: "  automode catalog refresh --regions us-east-1,eu-west-1 --file compute/catalog/data/catalog.txt.gz",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return fail(Usage, "catalog refresh needs --file, the file to write")
			}
			source, err := catalogsource.New(cmd.Context(), regions)
			if err != nil {
				return err
			}
			return a.progress().step("Gathering facts", func(func(string)) (string, error) {
				var b bytes.Buffer
				if err := catalog.Refresh(cmd.Context(), source, &b); err != nil {
					return "", cloudFailure(err)
				}
				if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
					return "", fmt.Errorf("writing the catalogue: %w", err)
				}
				return fmt.Sprintf("Wrote %s, %d KiB", file, b.Len()>>10), nil
			})
		},
	}
	cmd.Flags().StringSliceVar(&regions, "regions", nil, "regions to cover (default all that are enabled)")
	cmd.Flags().StringVar(&file, "file", "", "file to write")
	return cmd
}
