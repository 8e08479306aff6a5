package cli

import (
	"fmt"
	"net/url"
	"sort"
	"strings"

	"github.com/spf13/cobra"
)

// isLocal reports whether the URL leads to this machine's loopback.
func isLocal(server string) bool {
	u, err := url.Parse(server)
	return err == nil && u.Hostname() == "127.0.0.1"
}

func (a *app) envCommand() *cobra.Command {
	var unset bool
	var out format
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the environment that points aws and SDKs at the local cloud",
		Example: `  eval "$(automode env)"            # aws ec2 describe-instances now asks the local cloud
  eval "$(automode env --unset)"    # back to what it was without it
  automode env -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			vars, err := a.environment()
			if err != nil && !unset {
				return err
			}
			if unset {
				fmt.Fprintln(a.Out, "unset AWS_ENDPOINT_URL AWS_REGION AWS_DEFAULT_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN")
				return nil
			}
			if out == "json" || out == "yaml" {
				return out.print(a.Out, table{doc: vars})
			}
			for _, name := range sortedKeys(vars) {
				fmt.Fprintf(a.Out, "export %s=%s\n", name, shellQuote(vars[name]))
			}
			fmt.Fprintln(a.Out, "unset AWS_SESSION_TOKEN AWS_PROFILE")
			return nil
		},
	}
	cmd.Flags().BoolVar(&unset, "unset", false, "print what takes the variables away again")
	out.addFlag(cmd)
	return cmd
}

// environment is what AWS tools need to talk to the local cloud as its user admin.
func (a *app) environment() (map[string]string, error) {
	dir, err := a.home()
	if err != nil {
		return nil, err
	}
	s, err := readSettings(dir)
	if err != nil {
		return nil, err
	}
	key, err := readAdminKey(dir)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"AWS_ENDPOINT_URL": s.endpoint(), "AWS_REGION": s.Region, "AWS_DEFAULT_REGION": s.Region,
		"AWS_ACCESS_KEY_ID": key.AccessKeyID, "AWS_SECRET_ACCESS_KEY": key.SecretAccessKey,
	}, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// shellQuote quotes a value for POSIX shells.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
