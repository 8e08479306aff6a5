package solver

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// Every pair of sets over a small universe behaves as sets of values do.
func TestValueSets(t *testing.T) {
	universe := []string{"1", "2", "5", "9", "x", "y", "other"}
	sets := []valueSet{
		newValueSet(corev1.NodeSelectorOpIn, []string{"1", "x"}), newValueSet(corev1.NodeSelectorOpIn, []string{"x", "y", "y"}),
		newValueSet(corev1.NodeSelectorOpNotIn, []string{"x"}), newValueSet(corev1.NodeSelectorOpNotIn, []string{"1", "2"}),
		newValueSet(corev1.NodeSelectorOpExists, nil), newValueSet(corev1.NodeSelectorOpDoesNotExist, nil),
		newValueSet(corev1.NodeSelectorOpGt, []string{"1"}), newValueSet(corev1.NodeSelectorOpLt, []string{"6"}),
		newValueSet(OpGte, []string{"5"}), newValueSet(OpLte, []string{"5"}), newValueSet(corev1.NodeSelectorOpGt, []string{"nonsense"}),
	}
	for _, a := range sets {
		for _, b := range sets {
			both := a.intersect(b)
			common := false
			for _, v := range universe {
				want := a.has(v) && b.has(v)
				common = common || want
				if both.has(v) != want {
					t.Errorf("%v and %v: has(%s) = %v, want %v", a, b, v, both.has(v), want)
				}
			}
			if common && !a.overlaps(b) {
				t.Errorf("%v and %v have a value in common but do not overlap", a, b)
			}
			if a.overlaps(b) != b.overlaps(a) || a.compatible(b) != b.compatible(a) {
				t.Errorf("%v and %v: the order matters", a, b)
			}
		}
	}
}

func TestAbsentLabel(t *testing.T) {
	absent := newValueSet(corev1.NodeSelectorOpDoesNotExist, nil)
	for op, want := range map[corev1.NodeSelectorOperator]bool{corev1.NodeSelectorOpNotIn: true, corev1.NodeSelectorOpDoesNotExist: true,
		corev1.NodeSelectorOpIn: false, corev1.NodeSelectorOpExists: false, corev1.NodeSelectorOpGt: false} {
		if got := absent.compatible(newValueSet(op, []string{"1"})); got != want {
			t.Errorf("a node without the label serves %s [1]: %v, want %v", op, got, want)
		}
	}
}
