// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley.chat/server/config"
)

func selfSigned(t *testing.T, name string) config.TLS {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(nil, c, c, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	out := config.TLS{Cert: filepath.Join(t.TempDir(), "cert"), Key: filepath.Join(t.TempDir(), "key")}
	for path, b := range map[string]*pem.Block{out.Cert: {Type: "CERTIFICATE", Bytes: cert}, out.Key: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCertificate_ARenewedFileIsTakenAndAHalfOneIsNot(t *testing.T) {
	first, second := selfSigned(t, "a.test"), selfSigned(t, "b.test")
	dir := t.TempDir()
	files := config.TLS{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	copyFile(t, first.Cert, files.Cert)
	copyFile(t, first.Key, files.Key)
	c := &certificate{cert: files.Cert, key: files.Key}
	if err := c.read(); err != nil {
		t.Fatal(err)
	}
	look := func(after time.Duration) []byte {
		c.looked = c.looked.Add(-after)
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Certificate[0]
	}
	before := look(0)
	copyFile(t, second.Cert, files.Cert) // Its key is not there yet.
	if err := os.Chtimes(files.Cert, time.Now(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(look(2*time.Minute), before) {
		t.Error("a certificate without its key was taken")
	}
	copyFile(t, second.Key, files.Key)
	if !bytes.Equal(look(0), before) {
		t.Error("the files are read at every handshake")
	}
	if bytes.Equal(look(2*time.Minute), before) {
		t.Error("the renewed certificate was not taken")
	}
	if _, err := certificates(config.TLS{Cert: files.Cert, Key: first.Key}); err == nil {
		t.Error("a certificate with the key of another was taken at the start")
	}
	if c, err := certificates(config.TLS{}); c != nil || err != nil {
		t.Error("there is a certificate without files")
	}
}
