// Command automode runs a Kubernetes cluster whose infrastructure runs itself.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/automode-dev/automode/cli"
)

// init keeps the main thread to the main goroutine. Others enter network namespaces on threads that they then throw away, and
// Go would park the main thread instead, which holds the namespace.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
