package nodes

import (
	"context"
	"fmt"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/automode-dev/automode/compute/catalog"
)

// imageMemory is how long an image id is used before it is looked up again.
const imageMemory = 5 * time.Minute

// images looks up the node image of an instance type.
type images struct {
	cloud interface {
		Image(ctx context.Context, parameter string) (string, error)
	}
	known *cache.Cache
}

func newImages(cloud LaunchAPI) *images {
	return &images{cloud: cloud, known: cache.New(imageMemory, imageMemory)}
}

// forType gives the id of the newest image for the type and the cluster's version. What the cluster's configuration
// says comes before any lookup.
func (i *images) forType(ctx context.Context, cluster Cluster, t *catalog.Type) (string, error) {
	parameter := ImageParameter(cluster.Version, t)
	if id, ok := cluster.Images[parameter]; ok {
		return id, nil
	}
	if id, ok := i.known.Get(parameter); ok {
		return id.(string), nil
	}
	id, err := i.cloud.Image(ctx, parameter)
	if err != nil {
		return "", err
	}
	i.known.SetDefault(parameter, id)
	return id, nil
}

// ImageParameter names the public parameter that holds the image id: by version, architecture and the devices that
// need drivers.
func ImageParameter(version string, t *catalog.Type) string {
	arch, variant := "x86_64", "standard"
	if t.Arch() == "arm64" {
		arch = "arm64"
	}
	switch {
	case hasGPU(t, "NVIDIA"):
		variant = "nvidia"
	case len(t.Neuron)+len(t.Inference) > 0:
		variant = "neuron"
	}
	return fmt.Sprintf("/aws/service/eks/optimized-ami/%s/amazon-linux-2023/%s/%s/recommended/image_id", version, arch, variant)
}

func hasGPU(t *catalog.Type, manufacturer string) bool {
	for _, gpu := range t.GPUs {
		if gpu.Manufacturer == manufacturer {
			return true
		}
	}
	return false
}
