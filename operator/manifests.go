package operator

import (
	"bytes"
	_ "embed"
	"slices"

	"github.com/automode-dev/automode/api/crds"
	"github.com/automode-dev/automode/node"
)

//go:embed rbac.yaml
var rbac []byte

// Names by which the controllers are known in the cluster: common name and organization of their client certificate.
const (
	KubernetesUser  = "eks-auto-mode:controller"
	KubernetesGroup = "eks-auto-mode:controllers"
)

// Manifests are the objects a cluster needs before the controllers start, as YAML documents: the custom resource
// definitions, the controllers' rights and those of the nodes' parts. Applying them again is fine.
func Manifests() ([][]byte, error) {
	definitions, err := crds.Manifests()
	if err != nil {
		return nil, err
	}
	return slices.Concat(definitions, documents(rbac), documents(node.RBAC)), nil
}

func documents(manifest []byte) [][]byte { return bytes.Split(manifest, []byte("\n---\n")) }
