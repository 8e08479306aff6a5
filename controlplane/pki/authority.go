// Package pki keeps certificate authorities, certificates and keys in files of
// one directory and renews them in time. It never talks to anybody: whoever
// reads the files notices the change.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	// backdate makes a certificate valid for clocks that are a little slow.
	backdate = 5 * time.Minute
)

// Directory is where the files of one cluster are. Now is the clock.
type Directory struct {
	Path string
	Now  func() time.Time
}

// Authority is a certificate authority: <name>.crt and <name>.key, with which it
// signs, and <name>-bundle.crt, the certificates to trust. A certificate added
// to the bundle is kept there, so that a second authority can be trusted before
// it signs and the first after it has stopped.
type Authority struct {
	dir  Directory
	name string
	cert *x509.Certificate
	key  crypto.Signer
}

// EnsureAuthority returns the named authority, which it makes where missing.
func (d Directory) EnsureAuthority(name, commonName string) (*Authority, error) {
	a := &Authority{dir: d, name: name}
	err := a.load()
	if errors.Is(err, fs.ErrNotExist) {
		err = a.create(commonName)
	}
	if err == nil {
		err = a.ensureBundle()
	}
	if err != nil {
		return nil, fmt.Errorf("preparing certificate authority %s: %w", name, err)
	}
	return a, nil
}

// CertFile is the certificate that signs, KeyFile its key, BundleFile all
// certificates to trust.
func (a *Authority) CertFile() string   { return a.dir.file(a.name + ".crt") }
func (a *Authority) KeyFile() string    { return a.dir.file(a.name + ".key") }
func (a *Authority) BundleFile() string { return a.dir.file(a.name + "-bundle.crt") }

// Bundle returns the certificates to trust, in PEM.
func (a *Authority) Bundle() ([]byte, error) { return os.ReadFile(a.BundleFile()) }

// Pool returns the certificates to trust.
func (a *Authority) Pool() (*x509.CertPool, error) {
	bundle, err := a.Bundle()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("reading %s: no certificate in it", a.BundleFile())
	}
	return pool, nil
}

func (a *Authority) load() error {
	certs, err := readCertificates(a.CertFile())
	if err != nil {
		return err
	}
	key, err := readKey(a.KeyFile())
	if err != nil {
		return err
	}
	if len(certs) != 1 || !matches(certs[0], key) {
		return fmt.Errorf("reading %s: it is not the one certificate of %s", a.CertFile(), a.KeyFile())
	}
	if now := a.dir.Now(); now.After(certs[0].NotAfter) {
		return fmt.Errorf("reading %s: it expired on %s", a.CertFile(), certs[0].NotAfter.Format(time.DateOnly))
	}
	a.cert, a.key = certs[0], key
	return nil
}

// create makes the key first: a certificate without key cannot be completed
// later, a key without certificate is made anew.
func (a *Authority) create(commonName string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := a.dir.Now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    now.Add(-backdate), NotAfter: now.Add(authorityLifetime),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		IsCA:     true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.key = key
	keyPEM, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(a.KeyFile(), keyPEM); err != nil {
		return err
	}
	return writeFile(a.CertFile(), encodeCertificate(der))
}

// ensureBundle adds the signing certificate to the bundle, in front, and drops
// what has expired.
func (a *Authority) ensureBundle() error {
	trusted, err := readCertificates(a.BundleFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	bundle := encodeCertificate(a.cert.Raw)
	for _, cert := range trusted {
		if !cert.Equal(a.cert) && a.dir.Now().Before(cert.NotAfter) {
			bundle = append(bundle, encodeCertificate(cert.Raw)...)
		}
	}
	if old, err := a.Bundle(); err == nil && bytes.Equal(old, bundle) {
		return nil
	}
	return writeFile(a.BundleFile(), bundle)
}

func (d Directory) file(name string) string { return filepath.Join(d.Path, name) }

// serial returns a random positive number of 127 bits.
func serial() *big.Int {
	var data [16]byte
	_, _ = rand.Read(data[:]) // never fails
	data[0] &= 0x7f
	return new(big.Int).SetBytes(data[:])
}
