package state

import (
	"k8s.io/apimachinery/pkg/util/resourceversion"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// Expect takes in a claim that was just created, ahead of the watch: on a busy API server that may be minutes behind, and
// a claim nobody knows of would be made again. It is dropped when the watch has gone past its version without it, which is
// as exact as the order of a watch: only the first moment of a new list may drop one too early, until the list has it.
func (p *Picture) Expect(claim *karpv1.NodeClaim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.claims[claim.Name] != nil || p.seenClaim != "" && !Older(p.seenClaim, claim.ResourceVersion) {
		return // the watch is ahead
	}
	p.setClaim(claim)
	p.expected[claim.Name] = claim
}

// Claim finds a claim by name; nil if there is none. It must not be changed.
func (p *Picture) Claim(name string) *karpv1.NodeClaim {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.claims[name]
}

// sawClaim learns how far the watch of claims has come. Needs mu.
func (p *Picture) sawClaim(claim *karpv1.NodeClaim) {
	delete(p.expected, claim.Name)
	if p.seenClaim == "" || Older(p.seenClaim, claim.ResourceVersion) {
		p.seenClaim = claim.ResourceVersion
	}
	for _, expected := range p.expected {
		if Older(expected.ResourceVersion, p.seenClaim) {
			delete(p.expected, expected.Name)
			p.dropClaim(expected)
		}
	}
}

// Older tells whether a resource version is of an earlier write than another; false where they cannot be compared.
func Older(version, than string) bool {
	order, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && order < 0
}
