package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/automode-dev/automode/cli/serve"
)

func (a *app) statusCommand() *cobra.Command {
	var out format
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the health of everything, condition by condition",
		Long:  "Shows what should run and whether it does. The exit code is 0 when everything is healthy, 15 when something is not, 9 when there is nothing.",
		Example: `  automode status
  automode status -o json
  automode status --wait 1m    # until everything is healthy`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conditions, err := a.conditions(cmd.Context(), wait)
			if err != nil {
				return err
			}
			if err := out.print(a.Out, statusTable(conditions, time.Now())); err != nil {
				return err
			}
			return unhealthy(conditions)
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for everything to be healthy")
	out.addFlag(cmd)
	return cmd
}

// conditions asks the local cloud how everything is; while told to wait, until all is healthy.
func (a *app) conditions(ctx context.Context, wait time.Duration) ([]serve.Condition, error) {
	dir, err := a.home()
	if err != nil {
		return nil, err
	}
	if _, err := readSettings(dir); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(wait)
	for {
		var conditions []serve.Condition
		err := internalGet(ctx, dir, serve.StatusPath, &conditions)
		if time.Now().After(deadline) || err == nil && unhealthy(conditions) == nil {
			return conditions, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func statusTable(conditions []serve.Condition, now time.Time) table {
	t := table{doc: conditions, columns: []column{{name: "OF"}, {name: "CONDITION"}, {name: "STATUS"}, {name: "FOR"}, {name: "MESSAGE"}}}
	for _, c := range conditions {
		since := "-"
		if !c.Since.IsZero() {
			since = age(now.Sub(c.Since))
		}
		t.rows = append(t.rows, []string{c.Of, c.Type, c.Status, since, c.Message})
	}
	return t
}

// unhealthy is a Failure that names the first condition that is not True.
func unhealthy(conditions []serve.Condition) error {
	var bad []serve.Condition
	for _, c := range conditions {
		if c.Status != serve.True {
			bad = append(bad, c)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	more := ""
	if len(bad) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(bad)-1)
	}
	return fail(Unhealthy, "%s: %s is %s: %s%s", bad[0].Of, bad[0].Type, bad[0].Status, bad[0].Message, more)
}
