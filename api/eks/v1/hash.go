package v1

import (
	"fmt"

	"github.com/mitchellh/hashstructure/v2"
	"k8s.io/apimachinery/pkg/api/resource"
)

// HashVersion names the algorithm of Hash.
const HashVersion = "v1"

// Hash covers the fields whose change makes running nodes drift. What the selector terms choose is compared with the
// nodes themselves instead, so the terms are left out. Fields that are not set do not count, so that fields added
// later leave old hashes alone.
//
// The hash goes over a shape of its own, in which the names and the order of the types and fields matter: it gives the
// same numbers as EKS for NodeClasses with default settings.
func (in *NodeClass) Hash() string {
	type EphemeralStorage struct {
		Size       resource.Quantity // only its format counts
		Iops       int64
		Throughput int64
		OtherSize  string // set when the size is not the default
		KMSKeyID   string
	}
	type NodeClassSpec struct {
		SNATPolicy             SNATPolicy
		NetworkPolicy          NetworkPolicy
		NetworkPolicyEventLogs NetworkPolicyEventLogs
		EphemeralStorage       EphemeralStorage
		Role                   string
		InstanceProfile        string
		Tags                   map[string]string
		CertificateBundles     []CertificateBundle
		AdvancedNetworking     *AdvancedNetworking
		AdvancedSecurity       *AdvancedSecurity
		AdvancedCompute        *AdvancedCompute
		PlacementGroupSelector *PlacementGroupSelector
	}
	storage := in.Spec.EphemeralStorage.withDefaults()
	hashed := NodeClassSpec{
		SNATPolicy:             orDefault(in.Spec.SNATPolicy, SNATRandom),
		NetworkPolicy:          orDefault(in.Spec.NetworkPolicy, NetworkPolicyDefaultAllow),
		NetworkPolicyEventLogs: orDefault(in.Spec.NetworkPolicyEventLogs, EventLogsDisabled),
		EphemeralStorage: EphemeralStorage{
			Size: resource.MustParse(DefaultEphemeralSize), Iops: *storage.IOPS, Throughput: *storage.Throughput, KMSKeyID: storage.KMSKeyID,
		},
		Role:                   in.Spec.Role,
		InstanceProfile:        in.Spec.InstanceProfile,
		Tags:                   in.Spec.Tags,
		CertificateBundles:     in.Spec.CertificateBundles,
		AdvancedNetworking:     in.Spec.AdvancedNetworking,
		AdvancedSecurity:       in.Spec.AdvancedSecurity,
		AdvancedCompute:        in.Spec.AdvancedCompute,
		PlacementGroupSelector: in.Spec.PlacementGroupSelector,
	}
	if storage.Size != DefaultEphemeralSize {
		hashed.EphemeralStorage.OtherSize = storage.Size
	}
	hash, err := hashstructure.Hash(hashed, hashstructure.FormatV2, &hashstructure.HashOptions{
		SlicesAsSets: true, IgnoreZeroValue: true, ZeroNil: true,
	})
	if err != nil {
		// Only kinds that no field has, such as channels, cannot be hashed.
		panic(fmt.Sprintf("hashing NodeClass %q: %v", in.Name, err))
	}
	return fmt.Sprint(hash)
}

func (e *EphemeralStorage) withDefaults() EphemeralStorage {
	iops, throughput := DefaultEphemeralIOPS, DefaultEphemeralThroughput
	full := EphemeralStorage{Size: DefaultEphemeralSize, IOPS: &iops, Throughput: &throughput}
	if e == nil {
		return full
	}
	if e.Size != "" {
		full.Size = e.Size
	}
	if e.IOPS != nil {
		full.IOPS = e.IOPS
	}
	if e.Throughput != nil {
		full.Throughput = e.Throughput
	}
	full.KMSKeyID = e.KMSKeyID
	return full
}

func orDefault[T ~string](value, fallback T) T {
	if value == "" {
		return fallback
	}
	return value
}
