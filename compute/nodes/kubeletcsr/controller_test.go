package kubeletcsr

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"strings"
	"testing"

	certv1 "k8s.io/api/certificates/v1"

	"github.com/automode-dev/automode/compute"
)

func TestCheck(t *testing.T) {
	instance := compute.Instance{ID: "i-1", Addresses: []string{"10.0.0.5", "10.0.0.6"}, DNSNames: []string{"ip-10-0-0-5.ec2.internal"}}
	for name, example := range map[string]struct {
		change func(*x509.CertificateRequest, *certv1.CertificateSigningRequest)
		want   string // part of the reason to deny, or "" for approval
	}{
		"what a kubelet asks for": {func(*x509.CertificateRequest, *certv1.CertificateSigningRequest) {}, ""},
		"its private name": {func(r *x509.CertificateRequest, _ *certv1.CertificateSigningRequest) {
			r.DNSNames = []string{"ip-10-0-0-5.ec2.internal"}
		}, ""},
		"another address": {func(r *x509.CertificateRequest, _ *certv1.CertificateSigningRequest) {
			r.IPAddresses = []net.IP{net.ParseIP("10.0.0.7")}
		}, "10.0.0.7"},
		"another name": {func(r *x509.CertificateRequest, _ *certv1.CertificateSigningRequest) {
			r.DNSNames = []string{"kubernetes.default"}
		}, "kubernetes.default"},
		"another node": {func(r *x509.CertificateRequest, _ *certv1.CertificateSigningRequest) {
			r.Subject.CommonName = "system:node:i-2"
		}, "subject"},
		"another group": {func(r *x509.CertificateRequest, _ *certv1.CertificateSigningRequest) {
			r.Subject.Organization = []string{"system:masters"}
		}, "subject"},
		"no names at all": {func(r *x509.CertificateRequest, _ *certv1.CertificateSigningRequest) {
			r.DNSNames, r.IPAddresses = nil, nil
		}, "neither names nor addresses"},
		"an e-mail address": {func(r *x509.CertificateRequest, _ *certv1.CertificateSigningRequest) {
			r.EmailAddresses = []string{"a@b"}
		}, "e-mail"},
		"a client's usage": {func(_ *x509.CertificateRequest, c *certv1.CertificateSigningRequest) {
			c.Spec.Usages = append(c.Spec.Usages, certv1.UsageClientAuth)
		}, "client auth"},
		"no server's usage": {func(_ *x509.CertificateRequest, c *certv1.CertificateSigningRequest) {
			c.Spec.Usages = c.Spec.Usages[:1]
		}, "server auth"},
	} {
		t.Run(name, func(t *testing.T) {
			csr := &certv1.CertificateSigningRequest{}
			csr.Spec.Username = "system:node:i-1"
			csr.Spec.Usages = []certv1.KeyUsage{certv1.UsageDigitalSignature, certv1.UsageServerAuth}
			request := &x509.CertificateRequest{
				Subject:  pkix.Name{CommonName: "system:node:i-1", Organization: []string{"system:nodes"}},
				DNSNames: []string{"i-1"}, IPAddresses: []net.IP{net.ParseIP("10.0.0.5")},
			}
			example.change(request, csr)
			csr.Spec.Request = encoded(t, request)
			err := Check(csr, instance)
			switch {
			case example.want == "" && err != nil:
				t.Errorf("Check: %v", err)
			case example.want != "" && (err == nil || !strings.Contains(err.Error(), example.want)):
				t.Errorf("Check = %v, want %q", err, example.want)
			}
		})
	}
}

func TestCheckRefusesWhatIsNoRequest(t *testing.T) {
	csr := &certv1.CertificateSigningRequest{}
	csr.Spec.Request = []byte("nonsense")
	if Check(csr, compute.Instance{}) == nil {
		t.Error("nonsense passes for a request")
	}
}

func encoded(t *testing.T, request *x509.CertificateRequest) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, request, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}
