// Command kubernetes is the upstream Kubernetes and containerd components in
// one binary. It runs the component named by argv[0] (through a symlink), or
// else by its first argument.
//
// It changes nothing in them, but for one thing: a kubelet started with
// AUTOMODE_HARDWARE reports the capacity of an instance type instead of that
// of the host (see internal/hardware). It never reads or writes anything of
// its own.
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run finds the component that args name and hands it its arguments.
// "--components" lists the names instead, for the build to make symlinks of.
func run(args []string, stdout, stderr io.Writer) int {
	if component, ok := components[filepath.Base(args[0])]; ok {
		return component(args)
	}
	names := slices.Sorted(maps.Keys(components))
	switch {
	case len(args) < 2:
	case args[1] == "--components":
		fmt.Fprintln(stdout, strings.Join(names, "\n"))
		return 0
	case components[args[1]] != nil:
		return components[args[1]](args[1:])
	default:
		fmt.Fprintf(stderr, "unknown component %q\n", args[1])
	}
	fmt.Fprintf(stderr, "usage: %s COMPONENT [ARG...], or through a symlink named COMPONENT\ncomponents: %s\n",
		filepath.Base(args[0]), strings.Join(names, ", "))
	return 2
}

// report prints a component's final error and returns its exit code.
func report(component string, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", component, err)
	return 1
}
