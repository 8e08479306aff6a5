package poolcheck

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/labels"
	"github.com/automode-dev/automode/compute/nodes/builtin"
)

func TestCheck(t *testing.T) {
	labels.Register()
	for name, example := range map[string]struct {
		change func(*karpv1.NodePool)
		want   string // part of the message, or "" for no message
	}{
		"a built-in pool":     {func(*karpv1.NodePool) {}, ""},
		"a custom label":      {func(p *karpv1.NodePool) { p.Spec.Template.Labels = map[string]string{"example.com/team": "a"} }, ""},
		"a newer label":       {require(labels.CapabilityFlex, "true"), ""},
		"an upstream label":   {require("karpenter.k8s.aws/instance-family", "c5"), "invalid value: label karpenter.k8s.aws/instance-family is restricted; specify a well known label: ["},
		"a restricted domain": {require("example.kubernetes.io/x", "y"), "karpenter.sh kubernetes.io] in requirements, restricted"},
		"a restricted label":  {func(p *karpv1.NodePool) { p.Spec.Template.Labels = map[string]string{"k8s.io/x": "y"} }, `invalid key name "k8s.io/x" in labels, label k8s.io/x is restricted`},
		"a duplicate taint": {func(p *karpv1.NodePool) {
			p.Spec.Template.Spec.Taints = []corev1.Taint{{Key: "a", Effect: "NoSchedule"}, {Key: "a", Effect: "NoSchedule"}}
		}, "duplicate taint"},
		"an unknown capacity":   {require(karpv1.CapacityTypeLabelKey, "cheap"), "no valid values found"},
		"the pool's own label":  {require(karpv1.NodePoolLabelKey, "x"), "invalid key"},
		"a label without value": {func(p *karpv1.NodePool) { require("team")(p) }, "must have a value defined"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := builtin.NodePool(builtin.GeneralPurpose)
			example.change(pool)
			err := Check(context.Background(), pool)
			switch {
			case example.want == "" && err != nil:
				t.Errorf("Check: %v", err)
			case example.want != "" && (err == nil || !strings.Contains(err.Error(), example.want)):
				t.Errorf("Check = %v, want %q", err, example.want)
			}
		})
	}
}

func require(key string, values ...string) func(*karpv1.NodePool) {
	return func(p *karpv1.NodePool) {
		p.Spec.Template.Spec.Requirements = append(p.Spec.Template.Spec.Requirements,
			karpv1.NodeSelectorRequirementWithMinValues{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values})
	}
}
