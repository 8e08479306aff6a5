package simulate

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/automode-dev/automode/api/node/v1alpha1"
)

// settings is the part of a kubelet's configuration that shows from outside.
type settings struct {
	MaxPods            int32             `json:"maxPods"`
	KubeReserved       map[string]string `json:"kubeReserved"`
	SystemReserved     map[string]string `json:"systemReserved"`
	EvictionHard       map[string]string `json:"evictionHard"`
	RegisterWithTaints []corev1.Taint    `json:"registerWithTaints"`

	labels map[string]string
}

// defaultMaxPods is the kubelet's.
const defaultMaxPods = 110

// readSettings takes a kubelet's settings from a node configuration.
func readSettings(k v1alpha1.KubeletOptions) (settings, error) {
	s := settings{MaxPods: defaultMaxPods, EvictionHard: map[string]string{"memory.available": "100Mi", "nodefs.available": "10%"}}
	fields := map[string]json.RawMessage{}
	for name, raw := range k.Config {
		fields[name] = raw.Raw
	}
	document, err := json.Marshal(fields)
	if err != nil {
		return s, fmt.Errorf("reading kubelet settings: %w", err)
	}
	if err := json.Unmarshal(document, &s); err != nil {
		return s, fmt.Errorf("reading kubelet settings: %w", err)
	}
	s.labels = map[string]string{}
	for _, flag := range k.Flags {
		name, value, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(flag), "-"), "=")
		switch name {
		case "node-labels":
			for pair := range strings.SplitSeq(value, ",") {
				if key, v, ok := strings.Cut(pair, "="); ok {
					s.labels[key] = v
				}
			}
		case "register-with-taints":
			for text := range strings.SplitSeq(value, ",") {
				taint, err := parseTaint(text)
				if err != nil {
					return s, err
				}
				s.RegisterWithTaints = append(s.RegisterWithTaints, taint)
			}
		case "max-pods":
			if _, err := fmt.Sscan(value, &s.MaxPods); err != nil {
				return s, fmt.Errorf("reading kubelet flag --max-pods=%s: %w", value, err)
			}
		}
	}
	return s, nil
}

// parseTaint reads key=value:effect or key:effect.
func parseTaint(text string) (corev1.Taint, error) {
	pair, effect, ok := strings.Cut(text, ":")
	if !ok {
		return corev1.Taint{}, fmt.Errorf("reading taint %q: no effect", text)
	}
	key, value, _ := strings.Cut(pair, "=")
	return corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}, nil
}

// allocatable is the capacity less what is reserved and what eviction keeps free, by the kubelet's formula.
func (s settings) allocatable(capacity corev1.ResourceList) (corev1.ResourceList, error) {
	out := capacity.DeepCopy()
	for _, reserved := range []map[string]string{s.KubeReserved, s.SystemReserved} {
		for name, text := range reserved {
			if err := subtract(out, corev1.ResourceName(name), text); err != nil {
				return nil, err
			}
		}
	}
	for signal, name := range map[string]corev1.ResourceName{"memory.available": corev1.ResourceMemory, "nodefs.available": corev1.ResourceEphemeralStorage} {
		text := s.EvictionHard[signal]
		if percent, ok := strings.CutSuffix(text, "%"); ok {
			var share float64
			if _, err := fmt.Sscan(percent, &share); err != nil {
				return nil, fmt.Errorf("reading eviction threshold %s=%s: %w", signal, text, err)
			}
			whole := capacity[name]
			text = resource.NewQuantity(int64(float64(whole.Value())*share/100), resource.BinarySI).String()
		}
		if err := subtract(out, name, text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// subtract takes a quantity off a resource, down to nothing.
func subtract(list corev1.ResourceList, name corev1.ResourceName, text string) error {
	have, ok := list[name]
	if !ok || text == "" {
		return nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return fmt.Errorf("reading reserved %s %q: %w", name, text, err)
	}
	if have.Sub(q); have.Sign() < 0 {
		have.Set(0)
	}
	list[name] = have
	return nil
}
