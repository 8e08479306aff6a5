package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/automode-dev/automode/internal/home"
)

// Streams are the standard streams of a run: data goes to Out, talk to Err.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// app is what every verb shares.
type app struct {
	Streams
	args     []string // of the whole process, args[0] its name
	homeFlag string
	quiet    bool
	verbose  bool
}

// Main runs the command line and returns the exit code: 0 for success, the failure's own code otherwise (see Failure).
func Main(ctx context.Context, args []string, streams Streams) int {
	if runsAsPlugin() {
		return runPlugin()
	}
	a := &app{Streams: streams, args: args}
	root := a.root()
	root.SetArgs(args[1:])
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	// Asked afterwards: help, completion and what completion scripts call are verbs only once it ran.
	if _, _, unknown := root.Find(args[1:]); unknown != nil {
		err = usage(unknown)
	}
	return a.report(err)
}

// root assembles the verbs.
func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "automode",
		Short: "A Kubernetes cluster whose infrastructure runs itself",
		Long: `automode is an open implementation of Amazon EKS Auto Mode: pods that do not fit make nodes appear, idle and wasteful
nodes go away. It runs on one machine against its own local cloud, and on AWS.`,
		Example: `  automode up                                  # a cluster on this machine, ready in seconds
  kubectl create deployment nginx --image=nginx --replicas=3
  automode status                              # health, condition by condition
  automode down                                # remove everything`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.homeFlag, "home", "", "directory that holds all state (default $AUTOMODE_HOME, /var/lib/automode as root)")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print results only, no progress")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "print the chain of causes behind an error")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	cmd.CompletionOptions.HiddenDefaultCmd = false
	for _, verb := range []*cobra.Command{
		a.upCommand(), a.downCommand(), a.statusCommand(), a.envCommand(),
		a.createCommand(), a.getCommand(), a.deleteCommand(), a.planCommand(), a.explainCommand(),
		a.imageCommand(), a.catalogCommand(), a.kubectlCommand(), a.versionCommand(),
	} {
		cmd.AddCommand(verb)
	}
	for _, process := range a.processCommands() {
		process.Hidden = true
		cmd.AddCommand(process)
	}
	markUsage(cmd)
	return cmd
}

// markUsage makes wrong numbers of arguments and unknown words failures of usage, here and below.
func markUsage(cmd *cobra.Command) {
	if cmd.HasParent() && cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.RunE = onlySubcommands
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return usage(check(cmd, args)) }
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}

// onlySubcommands is what a verb does that needs another one after it: get, create.
func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath()))
	}
	return cmd.Help()
}

func (a *app) home() (home.Dir, error) { return home.Resolve(a.homeFlag) }

// report prints an error for a person and returns the exit code.
func (a *app) report(err error) int {
	var failure *Failure
	if !errors.As(err, &failure) {
		failure = &Failure{ID: Internal, Err: err}
	}
	fmt.Fprintf(a.Err, "automode: %v\n", failure)
	if advice := failure.advice(); advice != "" {
		fmt.Fprintf(a.Err, "  what to do: %s\n", advice)
	}
	fmt.Fprintf(a.Err, "  error %s, see docs/reference/errors.md#%s\n", failure.ID, failure.ID.anchor())
	if a.verbose {
		for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
			fmt.Fprintf(a.Err, "  caused by: %v\n", cause)
		}
	}
	return failure.ID.ExitCode()
}
