package node

import _ "embed"

// RBAC is the manifest (several YAML documents) that a cluster needs before its nodes can work: which users nodes may act
// as for their parts, and what those users may do.
//
//go:embed rbac.yaml
var RBAC []byte
