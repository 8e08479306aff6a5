package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/localcloud/machine"
	"github.com/automode-dev/automode/localcloud/vpc"
)

// Removed names what RemoveAll removed.
type Removed struct {
	Machines []string
	Networks []string
}

// String says how much was removed, for a person.
func (r Removed) String() string {
	return fmt.Sprintf("%s, %s", count(len(r.Machines), "machine"), count(len(r.Networks), "network"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// RemoveAll takes the home's machines and networks off the host, whatever state they are in. Every process of the home must
// have been killed before: it would make them anew.
func RemoveAll(ctx context.Context, dir home.Dir, waiting func(string)) (Removed, error) {
	simulated, err := machine.RemoveSimulated(dir)
	removed := Removed{Machines: simulated}
	if err != nil || os.Geteuid() != 0 {
		return removed, err // without root there are no others, and no networks
	}
	if err := os.RemoveAll(dir.Path("run", "units")); err != nil {
		return removed, fmt.Errorf("forgetting processes: %w", err)
	}
	machines, err := machine.NewReal(machine.RealOptions{Home: dir})
	if err != nil {
		return removed, err
	}
	defer machines.Close()
	waiting("machines")
	real, err := machines.RemoveAll(ctx)
	removed.Machines = append(removed.Machines, real...)
	if err != nil {
		return removed, err
	}
	waiting("networks")
	removed.Networks, err = removeNetworks(ctx, dir)
	return removed, err
}

// removeNetworks removes every VPC, and then what other network namespaces there are: those of control planes.
func removeNetworks(ctx context.Context, dir home.Dir) ([]string, error) {
	entries, err := os.ReadDir(dir.NetNS(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing network namespaces: %w", err)
	}
	var removed []string
	var problems []error
	fabric := vpc.NewFabric(dir, nil)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "vpc-") {
			problems = append(problems, fabric.Remove(ctx, e.Name()))
			removed = append(removed, e.Name())
		}
	}
	for _, e := range entries {
		problems = append(problems, vpc.DeleteNetNS(dir.NetNS(e.Name())))
	}
	return removed, errors.Join(problems...)
}
