package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// leafLifetime is how long a certificate in a file is valid. It is renewed when
// less than a third of that is left.
const leafLifetime = 365 * 24 * time.Hour

// Usage says which side of a connection a certificate is for.
type Usage int

const (
	Client Usage = 1 << iota
	Server
)

// Leaf describes a certificate.
type Leaf struct {
	// CommonName and Groups are the user and its groups for the API server.
	CommonName string
	Groups     []string
	Usage      Usage
	// DNSNames and Addresses are what a server is reached by.
	DNSNames  []string
	Addresses []netip.Addr
}

// Files names a certificate and its key.
type Files struct{ Cert, Key string }

// Ensure returns the files of the named certificate. It is issued anew when it
// is missing, differs from the description, was signed by another authority, or
// has less than a third of its lifetime left.
func (a *Authority) Ensure(name string, leaf Leaf) (Files, error) {
	files := Files{Cert: a.dir.file(name + ".crt"), Key: a.dir.file(name + ".key")}
	if a.current(files, leaf) {
		return files, nil
	}
	cert, key, err := a.Issue(leaf, leafLifetime)
	if err != nil {
		return Files{}, fmt.Errorf("issuing certificate %s: %w", name, err)
	}
	// A crash between the two leaves a pair that does not match and is not current.
	if err := writeFile(files.Key, key); err != nil {
		return Files{}, err
	}
	return files, writeFile(files.Cert, cert)
}

// Issue returns a new certificate and its key in PEM, valid for ttl.
func (a *Authority) Issue(leaf Leaf, ttl time.Duration) (cert, key []byte, err error) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	now := a.dir.Now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: leaf.CommonName, Organization: leaf.Groups},
		NotBefore:    now.Add(-backdate), NotAfter: earlier(now.Add(ttl), a.cert.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: leaf.usages(),
		DNSNames:    leaf.DNSNames,
		IPAddresses: leaf.ips(),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, signer.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	key, err = encodeKey(signer)
	return encodeCertificate(der), key, err
}

// current says whether the files hold what leaf describes for long enough.
func (a *Authority) current(files Files, leaf Leaf) bool {
	certs, err := readCertificates(files.Cert)
	if err != nil || len(certs) != 1 {
		return false
	}
	key, err := readKey(files.Key)
	if err != nil {
		return false
	}
	cert := certs[0]
	left, lifetime := cert.NotAfter.Sub(a.dir.Now()), cert.NotAfter.Sub(cert.NotBefore)
	return left >= lifetime/3 && matches(cert, key) && leaf.describes(cert) && cert.CheckSignatureFrom(a.cert) == nil
}

func (l Leaf) describes(cert *x509.Certificate) bool {
	return cert.Subject.CommonName == l.CommonName &&
		slices.Equal(sorted(cert.Subject.Organization), sorted(l.Groups)) &&
		slices.Equal(cert.ExtKeyUsage, l.usages()) &&
		slices.Equal(cert.DNSNames, l.DNSNames) &&
		slices.EqualFunc(cert.IPAddresses, l.ips(), net.IP.Equal)
}

func (l Leaf) usages() []x509.ExtKeyUsage {
	var usages []x509.ExtKeyUsage
	if l.Usage&Client != 0 {
		usages = append(usages, x509.ExtKeyUsageClientAuth)
	}
	if l.Usage&Server != 0 {
		usages = append(usages, x509.ExtKeyUsageServerAuth)
	}
	return usages
}

func (l Leaf) ips() []net.IP {
	var ips []net.IP
	for _, addr := range l.Addresses {
		ips = append(ips, addr.AsSlice())
	}
	return ips
}

func sorted(values []string) []string { return slices.Sorted(slices.Values(values)) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// matches says whether the certificate is for the key.
func matches(cert *x509.Certificate, key crypto.Signer) bool {
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}
