package state

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// ClosedTaint is on a node from its registration until the pods it was made for
// are nominated for it, so that kube-scheduler cannot give their room to others
// before it knows of them. It goes away when the node is ready.
var ClosedTaint = corev1.Taint{Key: "automode.dev/closed", Effect: corev1.TaintEffectNoSchedule}

// Closed tells whether a node does not take pods yet.
func Closed(node *corev1.Node) bool { return slices.ContainsFunc(node.Spec.Taints, closes) }

func closes(taint corev1.Taint) bool { return taint.MatchTaint(&ClosedTaint) }
