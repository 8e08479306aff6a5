// Command automode runs a Kubernetes cluster whose infrastructure runs itself.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/automode-dev/automode/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
