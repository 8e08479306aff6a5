package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/plan"
)

// planFlags are the flags of `automode plan`.
type planFlags struct {
	files   []string
	region  string
	zones   []string
	cluster string
	live    bool
	noFee   bool
}

func (a *app) planCommand() *cobra.Command {
	var out format
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan [-f FILE]... [--cluster [CONTEXT]]",
		Short: "Say which nodes manifests would get or a cluster would lose, and what that costs",
		Long: `Reads manifests and says which nodes Auto Mode would launch for their pods at which price, without changing anything. With no cluster the
built-in NodePools and the manifests' own ones are used, and the instance types and prices of the built-in catalogue. With --cluster the
manifests come on top of a live cluster: its pending pods and the room on its nodes count too, and workloads of the same name are replaced.
Then the plan also says what each of the cluster's nodes costs now, which of them would be removed or replaced within budgets once the
cluster is at rest, and the monthly difference.

Prices are list prices; spot prices are typical ones. The Auto Mode fee stands apart. A month has 730 hours.`,
		Example: `  automode plan -f deployment.yaml
  helm template web ./chart | automode plan -f -
  automode plan -f manifests/ --region eu-west-1 -o json
  automode plan --cluster                        # what the current kubectl context's cluster costs, needs and could do without
  automode plan --cluster=staging -f next.yaml   # what would change there`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.live = cmd.Flags().Changed("cluster")
			report, err := a.plan(cmd.Context(), f, cmd.Flags().Changed("region"))
			if err != nil {
				return err
			}
			if out == "json" || out == "yaml" {
				return out.print(a.Out, table{doc: report})
			}
			return a.printPlan(report, out == "wide", f.noFee)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVarP(&f.files, "filename", "f", nil, "manifest file or directory; - reads standard input; may be repeated")
	flags.StringVar(&f.region, "region", defaultConfig().Region, "AWS region; with --cluster the cluster's")
	flags.StringSliceVar(&f.zones, "zones", nil, "zones of the cluster's subnets (default the region's first three)")
	flags.StringVar(&f.cluster, "cluster", "", "plan on top of the cluster of this kubectl context; without a value the current one")
	flags.Lookup("cluster").NoOptDefVal = "-"
	flags.BoolVar(&f.noFee, "no-fee", false, "leave the Auto Mode fee out")
	out.addFlag(cmd)
	return cmd
}

// plan answers the question of the flags.
func (a *app) plan(ctx context.Context, f planFlags, regionGiven bool) (*plan.Report, error) {
	if len(f.files) == 0 && !f.live {
		return nil, fail(Usage, "plan needs manifests (-f FILE, - for standard input) or a cluster (--cluster)")
	}
	if err := checkRegion(f.region); err != nil {
		return nil, err
	}
	manifests, err := plan.Read(f.files, a.In)
	if err != nil {
		return nil, &Failure{ID: BadConfig, Advice: "correct the manifest at the place named in the message", Err: err}
	}
	scenario := &plan.Scenario{Catalog: catalog.Default(), Region: f.region, Zones: f.zones, Objects: manifests.Objects, NoFee: f.noFee}
	if f.live {
		kube, err := kubeClient(f.cluster)
		if err != nil {
			return nil, err
		}
		if err := onCluster(ctx, kube, scenario, !regionGiven); err != nil {
			return nil, err
		}
	}
	report, err := scenario.Plan()
	if err != nil {
		return nil, &Failure{ID: BadConfig, Err: err}
	}
	report.Ignored = manifests.Ignored
	return report, nil
}

// planTable groups nodes that are alike; wide lists them one by one.
func planTable(r *plan.Report, wide, noFee bool) table {
	t := table{columns: []column{
		{name: "NODES"}, {name: "TYPE"}, {name: "ZONE"}, {name: "CAPACITY"}, {name: "NODEPOOL"}, {name: "PODS"}, {name: "CPU"}, {name: "MEMORY"}, {name: "$/H"},
	}}
	if !noFee {
		t.columns = append(t.columns, column{name: "FEE $/H"})
	}
	t.columns = append(t.columns, column{name: "$/MONTH"}, column{name: "ALTERNATIVES", wide: true}, column{name: "POD NAMES", wide: true})
	for _, group := range groups(r.Nodes, wide) {
		n, k := group[0], float64(len(group))
		pods := 0
		for _, m := range group {
			pods += len(m.Pods)
		}
		row := []string{
			strconv.Itoa(len(group)), n.InstanceType, zoneText(n.Zones), n.CapacityType, poolText(n), strconv.Itoa(pods),
			used(group, corev1.ResourceCPU), used(group, corev1.ResourceMemory), dollars(n.Price * k),
		}
		if !noFee {
			row = append(row, dollars(n.Fee*k))
		}
		t.rows = append(t.rows, append(row, fmt.Sprintf("%.2f", (n.Price+n.Fee)*k*plan.HoursPerMonth), strconv.Itoa(len(n.InstanceTypes)-1), few(n.Pods, 3)))
	}
	return t
}

func groups(nodes []plan.Node, each bool) [][]plan.Node {
	var list [][]plan.Node
	for i, n := range nodes {
		if i > 0 && !each {
			last := &list[len(list)-1]
			if p := (*last)[0]; p.NodePool == n.NodePool && p.InstanceType == n.InstanceType && p.CapacityType == n.CapacityType && slices.Equal(p.Zones, n.Zones) && p.Price == n.Price {
				*last = append(*last, n)
				continue
			}
		}
		list = append(list, []plan.Node{n})
	}
	return list
}

// poolText marks nodes that come whatever pods wait.
func poolText(n plan.Node) string {
	if n.Static {
		return n.NodePool + " (static)"
	}
	return n.NodePool
}

// zoneText says "any" where several zones would do.
func zoneText(zones []string) string {
	if len(zones) > 1 {
		return "any"
	}
	return zones[0]
}

// used is the requested share of what pods may use.
func used(group []plan.Node, name corev1.ResourceName) string {
	requested, allocatable := 0.0, 0.0
	for _, n := range group {
		requested += n.Requests.Name(name, "").AsApproximateFloat64()
		allocatable += n.Allocatable.Name(name, "").AsApproximateFloat64()
	}
	if allocatable == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", requested/allocatable*100)
}

func dollars(price float64) string { return strconv.FormatFloat(price, 'f', 4, 64) }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// few lists the first names.
func few(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}
