package state

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

func sortedNames[V any](table map[string]V) []string { return slices.Sorted(maps.Keys(table)) }

func compareNames(a, b types.NamespacedName) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// nodeLabel is the label of nodes that a topology key of volumes stands for.
func nodeLabel(key string) string {
	if name, ok := karpv1.NormalizedLabels[key]; ok {
		return name
	}
	return key
}
