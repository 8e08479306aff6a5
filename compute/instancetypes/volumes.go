package instancetypes

import "github.com/automode-dev/automode/compute/catalog"

// EBSDriver is the CSI driver of Auto Mode's block storage.
const EBSDriver = "ebs.csi.eks.amazonaws.com"

const (
	// nitroAttachments and otherAttachments are how many volumes a type takes of which EC2 gives no number.
	nitroAttachments = 27
	otherAttachments = 39
	// launchVolumes are the node's own: of its system and of its data.
	launchVolumes = 2
	// addressesPerPrefix is the size of the prefixes that nodes give their pods addresses from.
	addressesPerPrefix = 16
)

// VolumeLimits is how many volumes pods on a node of the type may attach, by CSI driver, as the driver counts: what EC2
// allows less the node's own volumes, and less the network interfaces beyond the first where they share the places.
// It is at least 1.
func VolumeLimits(t *catalog.Type) map[string]int {
	limit := t.EBS.MaxAttachments
	switch {
	case limit > 0:
	case t.Hypervisor == "xen":
		limit = otherAttachments
	default:
		limit = nitroAttachments
	}
	limit -= launchVolumes
	if t.EBS.AttachmentType != "dedicated" && t.Hypervisor != "xen" {
		limit -= interfacesInUse(t) - 1
	}
	return map[string]int{EBSDriver: max(1, limit)}
}

// interfacesInUse is how many network interfaces a node full of pods has: each address of an interface but its first is a prefix.
func interfacesInUse(t *catalog.Type) int {
	prefixes := (int(MaxPods(t)) + addressesPerPrefix - 1) / addressesPerPrefix
	each := max(1, t.Network.IPv4PerInterface-1)
	return max(1, (prefixes+each-1)/each)
}
