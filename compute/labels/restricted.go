package labels

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// restrictedDomains may not be used for labels of one's own, nor may their subdomains.
var restrictedDomains = []string{"k8s.io", "karpenter.k8s.aws", "karpenter.sh", "kubernetes.io"}

// exemptDomains are subdomains of restricted ones that are meant for labels of one's own.
var exemptDomains = []string{"kops.k8s.io", "node.kubernetes.io", "node-restriction.kubernetes.io"}

// aliases are older names that count as their newer ones.
var aliases = map[string]bool{
	corev1.LabelFailureDomainBetaZone: true, corev1.LabelFailureDomainBetaRegion: true, corev1.LabelInstanceType: true,
	"beta.kubernetes.io/arch": true, "beta.kubernetes.io/os": true, EBSZone: true,
}

// CheckRestricted returns an error when a NodePool may not use the label.
func CheckRestricted(key string) error {
	if WellKnown(key) || aliases[key] || !restricted(key) {
		return nil
	}
	return fmt.Errorf("label %s is restricted; specify a well known label: %v, or a custom label that does not use a restricted domain: %v",
		key, printedWellKnown(), restrictedDomains)
}

// WellKnown tells whether the label has a meaning of its own in Auto Mode.
func WellKnown(key string) bool {
	return slices.Contains(original, key) || slices.Contains(later, key) || slices.Contains(karpenters, key)
}

func restricted(key string) bool {
	labelDomain, _, ok := strings.Cut(key, "/")
	if !ok {
		return false
	}
	if key == corev1.LabelHostname {
		return true
	}
	within := func(parent string) bool { return labelDomain == parent || strings.HasSuffix(labelDomain, "."+parent) }
	return slices.ContainsFunc(restrictedDomains, within) && !slices.ContainsFunc(exemptDomains, within)
}

func printedWellKnown() []string {
	return slices.Sorted(slices.Values(append(slices.Clone(original), karpenters...)))
}
