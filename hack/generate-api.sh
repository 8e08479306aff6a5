#!/bin/sh
# Regenerates what is derived from the API types: deep-copy functions and custom resource definitions.
set -eu
cd "$(dirname "$0")/.."
gen="go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.20.0"
$gen object paths=./api/...
$gen crd paths=./api/eks/... output:crd:dir=./api/crds
go run ./hack/crdgen api/crds
go run ./hack/nodeclassdoc > docs/reference/nodeclass.md
