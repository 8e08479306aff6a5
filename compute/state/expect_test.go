package state

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

func claimOf(name, version, providerID string) *karpv1.NodeClaim {
	c := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
	c.Status.ProviderID = providerID
	return c
}

func TestExpectedClaims(t *testing.T) {
	const launched = "aws:///us-east-1a/i-1"
	tests := []struct {
		name string
		do   func(*Picture)
		want string // provider id of claim a; "none" without the claim
	}{
		{"the watch has seen nothing", func(p *Picture) { p.Expect(claimOf("a", "10", "")) }, ""},
		{"the watch is behind", func(p *Picture) {
			p.Set(claimOf("z", "9", ""))
			p.Expect(claimOf("a", "10", ""))
		}, ""},
		{"the watch stays behind", func(p *Picture) {
			p.Expect(claimOf("a", "10", ""))
			p.Set(claimOf("z", "9", ""))
		}, ""},
		{"the watch comes to it", func(p *Picture) {
			p.Expect(claimOf("a", "10", ""))
			p.Set(claimOf("a", "10", ""))
			p.Set(claimOf("z", "12", ""))
		}, ""},
		{"the watch is ahead with a newer version", func(p *Picture) {
			p.Set(claimOf("a", "12", launched))
			p.Expect(claimOf("a", "10", ""))
		}, launched},
		{"the watch is ahead, it was deleted", func(p *Picture) {
			p.Set(claimOf("a", "10", ""))
			p.Delete(claimOf("a", "12", ""))
			p.Expect(claimOf("a", "10", ""))
		}, "none"},
		{"it is deleted", func(p *Picture) {
			p.Expect(claimOf("a", "10", ""))
			p.Set(claimOf("a", "10", ""))
			p.Delete(claimOf("a", "12", ""))
		}, "none"},
		{"the watch was interrupted while it came and went", func(p *Picture) {
			p.Expect(claimOf("a", "10", ""))
			p.Set(claimOf("z", "13", ""))
		}, "none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := NewPicture()
			test.do(p)
			got := "none"
			if c := p.Claim("a"); c != nil {
				got = c.Status.ProviderID
			}
			if got != test.want {
				t.Errorf("claim a has provider id %q, want %q", got, test.want)
			}
			if machines := len(p.Machines()); (p.Claim("a") != nil || p.Claim("z") != nil) != (machines > 0) {
				t.Errorf("%d machines", machines)
			}
		})
	}
}
