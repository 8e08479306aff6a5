package ec2

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// newID returns a resource id as EC2 writes them: the prefix and 17 hex digits, the first of which is 0.
func newID(prefix string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return prefix + "-0" + hex.EncodeToString(b[:])
}

// newMAC returns a locally administered unicast address in the range EC2 uses.
func newMAC() string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4])
}

// wellFormed says whether an id has the prefix and 8 or 17 hex digits.
func wellFormed(prefix, id string) bool {
	digits, ok := strings.CutPrefix(id, prefix+"-")
	if !ok || len(digits) != 8 && len(digits) != 17 {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}

// privateDNS returns the name EC2 gives to a private address.
func privateDNS(region string, address netip.Addr) string {
	domain := region + ".compute.internal"
	if region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(address.String(), ".", "-") + "." + domain
}

// publicDNS returns the name EC2 gives to a public address.
func publicDNS(region, address string) string {
	domain := region + ".compute.amazonaws.com"
	if region == "us-east-1" {
		domain = "compute-1.amazonaws.com"
	}
	return "ec2-" + strings.ReplaceAll(address, ".", "-") + "." + domain
}

func (r *region) arn(kind, id string) string {
	return "arn:aws:ec2:" + r.name + ":" + r.svc.account + ":" + kind + "/" + id
}

// hexOf returns n hex digits that always belong to the same text.
func hexOf(text string, n int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:n]
}
