package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// EnsureSigningKey returns the files of the RSA key that signs service account
// tokens (RS256, which every verifier of such tokens knows). The public file may
// hold further keys, whose tokens are accepted as well.
func (d Directory) EnsureSigningKey(name string) (private, public string, err error) {
	private, public = d.file(name+".key"), d.file(name+".pub")
	key, err := readKey(private)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = d.createSigningKey(private)
	}
	if err != nil {
		return "", "", fmt.Errorf("preparing key %s: %w", name, err)
	}
	if _, err := os.Stat(public); err == nil {
		return private, public, nil
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", "", fmt.Errorf("encoding key %s: %w", name, err)
	}
	return private, public, writeFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (d Directory) createSigningKey(file string) (crypto.Signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	data, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeFile(file, data)
}

// EnsureSecret returns size random bytes that stay the same from then on.
func (d Directory) EnsureSecret(name string, size int) ([]byte, error) {
	data, err := os.ReadFile(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		data = make([]byte, size)
		_, _ = rand.Read(data) // never fails
		return data, writeFile(d.file(name), data)
	}
	if err == nil && len(data) != size {
		err = fmt.Errorf("it has %d bytes, not %d", len(data), size)
	}
	if err != nil {
		return nil, fmt.Errorf("reading secret %s: %w", d.file(name), err)
	}
	return data, nil
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// readCertificates returns all certificates of a PEM file.
func readCertificates(file string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return certs, nil
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing certificate in %s: %w", file, err)
		}
		certs = append(certs, cert)
	}
}

func readKey(file string) (crypto.Signer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("parsing key %s: not a PEM file", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing key %s: %w", file, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("parsing key %s: a %T does not sign", file, key)
	}
	return signer, nil
}

// writeFile replaces a file as a whole, readable by the owner alone.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making directory for %s: %w", path, err)
	}
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
