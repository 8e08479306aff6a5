package testkit

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
)

func TestImagesHaveWhatTheyPromise(t *testing.T) {
	if testing.Short() {
		t.Skip("fetches packages")
	}
	for name, dir := range map[string]string{"nginx": Nginx(t), "busybox": Busybox(t)} {
		index, err := layout.ImageIndexFromPath(dir)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := index.IndexManifest()
		if err != nil || len(manifest.Manifests) != 1 {
			t.Errorf("%s: manifests %v, %v", name, manifest, err)
		}
	}
}
