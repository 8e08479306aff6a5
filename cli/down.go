package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/automode-dev/automode/cli/serve"
	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/internal/supervise"
)

func (a *app) downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove everything that up made on this machine",
		Long: `Stops every process of the home directory — the local cloud, all its clusters, all its machines — and removes what they had
on this machine: namespaces, mounts, control groups, loop devices, firewall rules, files, kubectl contexts. It works whatever state they are in,
and can be repeated.`,
		Example: "  automode down\n  automode down --home /tmp/two",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.down(cmd.Context()) },
	}
}

// down removes the home and everything of it. The marker keeps processes that are just being restarted from coming up, and
// tells a later `up` when this did not reach its end.
func (a *app) down(ctx context.Context) error {
	dir, err := a.home()
	if err != nil {
		return err
	}
	p := a.progress()
	if _, err := os.Stat(string(dir)); errors.Is(err, os.ErrNotExist) {
		p.say("Nothing to remove: %s does not exist.\n", dir)
		return nil
	}
	if err := os.WriteFile(stoppingMarker(dir), nil, 0o600); err != nil {
		return fmt.Errorf("marking %s as going down: %w", dir, err)
	}
	names := clusterNames(dir)
	err = p.step("Stopping all processes", func(func(string)) (string, error) {
		return "All processes stopped", supervise.Kill(string(dir))
	})
	if err != nil {
		return &Failure{ID: LeftBehind, Err: err}
	}
	err = p.step("Removing machines and networks", func(waiting func(string)) (string, error) {
		removed, err := serve.RemoveAll(ctx, dir, waiting)
		return "Removed " + removed.String(), err
	})
	if err != nil {
		return &Failure{ID: LeftBehind, Err: err}
	}
	for _, name := range names {
		if found, err := forgetKubeconfig(name, ""); err != nil {
			p.say("note: %v\n", err)
		} else if found {
			p.say("ok      kubectl context %q removed\n", name)
		}
	}
	return p.step("Removing files", func(func(string)) (string, error) {
		if err := removeHome(dir); err != nil {
			return "", &Failure{ID: LeftBehind, Err: err}
		}
		return "Removed " + string(dir), nil
	})
}

// removeHome deletes the directory, the marker last. It refuses to delete below a mount that is still there: what is
// mounted may be anything.
func removeHome(dir home.Dir) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("reading mounts: %w", err)
	}
	for _, line := range strings.Split(string(mounts), "\n") {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], string(dir)+"/") {
			return fmt.Errorf("still mounted: %s", fields[4])
		}
	}
	entries, err := os.ReadDir(string(dir))
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	for _, e := range entries {
		if dir.Path(e.Name()) == stoppingMarker(dir) {
			continue
		}
		if err := os.RemoveAll(dir.Path(e.Name())); err != nil {
			return fmt.Errorf("removing files: %w", err)
		}
	}
	return os.RemoveAll(string(dir))
}

// clusterNames lists the clusters of the home by what lies on disk.
func clusterNames(dir home.Dir) []string {
	entries, err := os.ReadDir(dir.Clusters())
	if err != nil {
		return nil // no clusters were made
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
