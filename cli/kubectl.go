package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func (a *app) kubectlCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl [ARGS...]",
		Short: "Run the kubectl that comes with automode",
		Long:  "Runs the kubectl of the newest Kubernetes version that was built, for machines that have none. All arguments are kubectl's.",
		Example: `  automode kubectl get nodes
  alias kubectl="automode kubectl"`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return execKubectl(cmd.Context(), args)
		},
	}
}

// execKubectl becomes kubectl; it returns only on failure.
func execKubectl(_ context.Context, args []string) error {
	versions := kubernetesVersions()
	if len(versions) == 0 {
		return fail(BinariesMissing, "no kubectl: the Kubernetes components are not built")
	}
	dir, err := libexec(versions[len(versions)-1])
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "kubectl")
	if err := syscall.Exec(path, append([]string{"kubectl"}, args...), os.Environ()); err != nil {
		return fmt.Errorf("running %s: %w", path, err)
	}
	return nil
}
