// SPDX-License-Identifier: Apache-2.0

package testca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"parley.chat/protocol/id"
)

// How long things are good, and how long before the end they are made anew.
const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	renewal         = 30 * 24 * time.Hour
	backdated       = time.Hour // for clocks that are behind
)

// Files are what a server needs.
type Files struct{ CA, Cert, Key string }

// authority is one that signs.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
	now  time.Time
}

// Make sees to it that dir has an authority, ca.pem with ca.key, and for each name NAME.pem with NAME.key, and returns their
// paths in the order of the names. A name is that of a server without port.
func Make(dir string, now time.Time, names ...string) ([]Files, error) {
	for _, n := range names {
		if s := id.Server(n); !s.IsDomain() || s.Port() != 0 || n == "ca" {
			return nil, fmt.Errorf("%q is not a lower-case DNS name without port", n)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	a, err := openAuthority(dir, now)
	if err != nil {
		return nil, fmt.Errorf("certificate authority in %s: %w", dir, err)
	}
	var out []Files
	for _, n := range names {
		f := Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, n+".pem"), Key: filepath.Join(dir, n+".key")}
		if err := a.certify(n, f); err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", n, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// openAuthority reads the authority, or makes it if there is none. One that cannot be read is an error: servers may trust it.
func openAuthority(dir string, now time.Time) (*authority, error) {
	a := &authority{dir: dir, now: now}
	cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err == nil {
		a.cert, a.key = pair.Leaf, pair.PrivateKey.(crypto.Signer)
		if now.Before(a.cert.NotAfter.Add(-certificateLife)) {
			return a, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Parley test authority"}, NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if a.cert, a.key, err = a.make(template, nil, nil, Files{Cert: cert, Key: key}); err != nil {
		return nil, err
	}
	return a, nil
}

// certify makes the certificate of a name, unless there is a good one.
func (a *authority) certify(name string, f Files) error {
	if pair, err := tls.LoadX509KeyPair(f.Cert, f.Key); err == nil && a.isGood(pair.Leaf, name) {
		return nil
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: a.now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	_, _, err := a.make(template, a.cert, a.key, f)
	return err
}

func (a *authority) isGood(cert *x509.Certificate, name string) bool {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: a.now.Add(renewal)})
	return err == nil
}

// make signs the template, with its own key if there is no parent, and writes the files.
func (a *authority) make(template, parent *x509.Certificate, signer crypto.Signer, f Files) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent, signer = template, key
	}
	template.NotBefore = a.now.Add(-backdated)
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, nil, err
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	if err := write(f.Key, 0o600, "PRIVATE KEY", private); err != nil {
		return nil, nil, err
	}
	if err := write(f.Cert, 0o644, "CERTIFICATE", raw); err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	return cert, key, err
}

func write(path string, mode fs.FileMode, kind string, raw []byte) error {
	beside := path + ".new"
	if err := os.RemoveAll(beside); err != nil { // One of an earlier attempt may have another mode.
		return err
	}
	if err := os.WriteFile(beside, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), mode); err != nil {
		return err
	}
	return os.Rename(beside, path)
}
