// Package crds holds the custom resource definitions of a cluster with Auto Mode, as files and as objects.
//
// The files are generated (hack/generate-api.sh); this package only embeds and reads them and never talks to a cluster.
package crds

import (
	"embed"
	"fmt"
	"io/fs"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

//go:embed *.yaml
var files embed.FS

// Manifests returns the definitions as YAML documents, in the order of their file names.
func Manifests() ([][]byte, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing embedded definitions: %w", err)
	}
	documents := make([][]byte, 0, len(names))
	for _, name := range names {
		document, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading embedded definition %s: %w", name, err)
		}
		documents = append(documents, document)
	}
	return documents, nil
}

// All returns the definitions as objects.
func All() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	documents, err := Manifests()
	if err != nil {
		return nil, err
	}
	crds := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(documents))
	for _, document := range documents {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(document, crd); err != nil {
			return nil, fmt.Errorf("reading embedded definition: %w", err)
		}
		crds = append(crds, crd)
	}
	return crds, nil
}
