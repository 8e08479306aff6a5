package cli

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version of the product, set by the linker for releases.
var version = "dev"

// versionInfo is what `automode version -o json` prints.
type versionInfo struct {
	Version    string   `json:"version"`
	Go         string   `json:"go"`
	Karpenter  string   `json:"karpenter"`
	Kubernetes []string `json:"kubernetes"` // minor versions whose components are found
}

func (a *app) versionCommand() *cobra.Command {
	var out format
	var short bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of automode and of what it brings",
		Example: "  automode version\n  automode version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if short {
				fmt.Fprintln(a.Out, version)
				return nil
			}
			v := versions()
			return out.print(a.Out, table{
				columns: []column{{name: "AUTOMODE"}, {name: "KARPENTER"}, {name: "KUBERNETES"}, {name: "GO"}},
				rows:    [][]string{{v.Version, v.Karpenter, orDash(strings.Join(v.Kubernetes, ",")), v.Go}},
				doc:     v,
			})
		},
	}
	cmd.Flags().BoolVar(&short, "short", false, "print the version alone")
	out.addFlag(cmd)
	return cmd
}

func versions() versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), Kubernetes: kubernetesVersions()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "sigs.k8s.io/karpenter" {
				v.Karpenter = dep.Version
			}
		}
	}
	return v
}

// kubernetesVersions lists the minor versions whose components are found, oldest first.
func kubernetesVersions() []string {
	found := map[string]bool{}
	for _, base := range libexecBases() {
		dirs, _ := filepath.Glob(filepath.Join(base, "kubernetes-*")) // errs only for a malformed pattern
		for _, dir := range dirs {
			found[strings.TrimPrefix(filepath.Base(dir), "kubernetes-")] = true
		}
	}
	return sortedKeys(found)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
