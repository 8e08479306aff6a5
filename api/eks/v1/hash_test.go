package v1

import "testing"

// Hashes that EKS wrote on its own default NodeClasses.
func TestHashOfDefaultNodeClasses(t *testing.T) {
	for role, want := range map[string]string{
		"automode-eks-AmazonEKSAutoNodeRole":               "3399735243323253970",
		"test-cluster-eks-auto-20241229084518842100000001": "16389426616597791172",
	} {
		class := &NodeClass{Spec: NodeClassSpec{
			Role:                       role,
			SubnetSelectorTerms:        []SubnetSelectorTerm{{ID: "subnet-1"}},
			SecurityGroupSelectorTerms: []SecurityGroupSelectorTerm{{ID: "sg-1"}},
		}}
		if got := class.Hash(); got != want {
			t.Errorf("hash with role %s = %s, want %s", role, got, want)
		}
	}
}

func TestHashFollowsWhatNodesAreMadeOf(t *testing.T) {
	base := (&NodeClass{}).Hash()
	yes := true
	changes := map[string]NodeClassSpec{
		"size":   {EphemeralStorage: &EphemeralStorage{Size: "100Gi"}},
		"key":    {EphemeralStorage: &EphemeralStorage{KMSKeyID: "alias/a"}},
		"tags":   {Tags: map[string]string{"a": "b"}},
		"snat":   {SNATPolicy: SNATDisabled},
		"public": {AdvancedNetworking: &AdvancedNetworking{AssociatePublicIPAddress: &yes}},
	}
	for name, spec := range changes {
		if (&NodeClass{Spec: spec}).Hash() == base {
			t.Errorf("a change of %s leaves the hash as it was", name)
		}
	}
	terms := NodeClassSpec{SubnetSelectorTerms: []SubnetSelectorTerm{{ID: "subnet-2"}}}
	if (&NodeClass{Spec: terms}).Hash() != base {
		t.Error("a change of the subnet terms changes the hash")
	}
}
