package images

import (
	"context"
	"fmt"

	"github.com/automode-dev/automode/localcloud/registry"
)

// Seed puts the sandbox image, made from the pause program's static binary, into a registry of the same process. What the
// registry has already is not written again.
func Seed(ctx context.Context, to *registry.Registry, pause string) error {
	image, err := Pause(pause)
	if err != nil {
		return err
	}
	// The host is a name only: requests go straight to the registry.
	if _, err := Push(ctx, image, PauseName, Target{Host: "localhost", Transport: to}); err != nil {
		return fmt.Errorf("seeding the image registry: %w", err)
	}
	return nil
}
