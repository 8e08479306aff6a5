package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// clock is a settable time.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func newDirectory(t *testing.T) (Directory, *clock) {
	c := &clock{time.Now()}
	return Directory{Path: t.TempDir(), Now: c.now}, c
}

func ensureAuthority(t *testing.T, d Directory) *Authority {
	t.Helper()
	a, err := d.EnsureAuthority("ca", "test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var server = Leaf{
	CommonName: "server", Groups: []string{"b", "a"}, Usage: Server,
	DNSNames: []string{"kubernetes"}, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
}

// issue returns the content of the certificate file after Ensure.
func issue(t *testing.T, d Directory, leaf Leaf) []byte {
	t.Helper()
	files, err := ensureAuthority(t, d).Ensure("leaf", leaf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.LoadX509KeyPair(files.Cert, files.Key); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(files.Cert)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestLeafIsRenewedInTime(t *testing.T) {
	d, clock := newDirectory(t)
	first := issue(t, d, server)
	clock.Time = clock.Add(leafLifetime / 2)
	if !bytes.Equal(first, issue(t, d, server)) {
		t.Error("renewed with half of its lifetime left")
	}
	clock.Time = clock.Add(leafLifetime / 4)
	if bytes.Equal(first, issue(t, d, server)) {
		t.Error("not renewed with a quarter of its lifetime left")
	}
}

func TestLeafFollowsItsDescription(t *testing.T) {
	d, _ := newDirectory(t)
	first := issue(t, d, server)
	for what, change := range map[string]func(*Leaf){
		"name":    func(l *Leaf) { l.CommonName = "other" },
		"groups":  func(l *Leaf) { l.Groups = nil },
		"usage":   func(l *Leaf) { l.Usage = Client | Server },
		"names":   func(l *Leaf) { l.DNSNames = []string{"other"} },
		"address": func(l *Leaf) { l.Addresses = append(l.Addresses, netip.MustParseAddr("10.0.0.1")) },
	} {
		leaf := server
		change(&leaf)
		if bytes.Equal(first, issue(t, d, leaf)) {
			t.Errorf("not issued anew for another %s", what)
		}
		first = issue(t, d, server)
	}
}

func TestLeafOfReplacedAuthority(t *testing.T) {
	d, _ := newDirectory(t)
	first := issue(t, d, server)
	old := ensureAuthority(t, d)
	_ = os.Remove(old.CertFile())
	_ = os.Remove(old.KeyFile())
	second := issue(t, d, server)
	if bytes.Equal(first, second) {
		t.Error("not issued anew by the new authority")
	}
	// Both authorities are trusted until the old one is taken out of the bundle.
	pool, err := ensureAuthority(t, d).Pool()
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{first, second} {
		file := filepath.Join(t.TempDir(), "crt")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		certs, _ := readCertificates(file)
		if _, err := certs[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: "kubernetes"}); err != nil {
			t.Error(err)
		}
	}
}

func TestHalfWrittenPairIsReplaced(t *testing.T) {
	d, _ := newDirectory(t)
	issue(t, d, server)
	_, key, err := ensureAuthority(t, d).Issue(server, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(d.file("leaf.key"), key); err != nil {
		t.Fatal(err)
	}
	issue(t, d, server) // fails unless the pair matches
}

func TestFilesAreForTheOwner(t *testing.T) {
	d, _ := newDirectory(t)
	issue(t, d, server)
	if _, _, err := d.EnsureSigningKey("sa"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.EnsureSecret("secret", 32); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(d.Path)
	for _, entry := range entries {
		if info, _ := entry.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", entry.Name(), info.Mode())
		}
	}
	if len(entries) != 8 {
		t.Errorf("%d files, want 8", len(entries))
	}
}

func TestSecretStays(t *testing.T) {
	d, _ := newDirectory(t)
	first, err := d.EnsureSecret("secret", 32)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := d.EnsureSecret("secret", 32); err != nil || !bytes.Equal(first, second) {
		t.Errorf("secret changed, error %v", err)
	}
	if _, err := d.EnsureSecret("secret", 16); err == nil {
		t.Error("a secret of another size was accepted")
	}
}

func TestExpiredAuthorityIsReported(t *testing.T) {
	d, clock := newDirectory(t)
	ensureAuthority(t, d)
	clock.Time = clock.Add(authorityLifetime + time.Hour)
	if _, err := d.EnsureAuthority("ca", "test"); err == nil {
		t.Error("an expired authority was accepted")
	}
}
