// SPDX-License-Identifier: Apache-2.0

package testca

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func mustMake(t *testing.T, dir string, now time.Time, names ...string) []Files {
	t.Helper()
	out, err := Make(dir, now, names...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// shake makes a TLS connection to who has the files, by the authority of f and under a name.
func shake(t *testing.T, f Files, authority, name string, now time.Time) error {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(read(t, authority)) {
		t.Fatal("the authority is no certificate")
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: name, Time: func() time.Time { return now }})
	if err == nil {
		_ = conn.Close()
	}
	return err
}

func TestMake_CertificatesAreOfTheAuthorityAndForTheirName(t *testing.T) {
	now := time.Now()
	list := mustMake(t, filepath.Join(t.TempDir(), "new", "folder"), now, "a.test", "b.test")
	other := mustMake(t, t.TempDir(), now, "a.test")[0]
	a := list[0]
	if err := shake(t, a, a.CA, "a.test", now); err != nil {
		t.Error(err)
	}
	if shake(t, a, a.CA, "b.test", now) == nil {
		t.Error("a certificate is taken for another name")
	}
	if shake(t, a, other.CA, "a.test", now) == nil {
		t.Error("a certificate is taken by another authority")
	}
	if shake(t, a, a.CA, "a.test", now.Add(certificateLife+time.Second)) == nil {
		t.Error("a certificate has no end")
	}
	for _, path := range []string{a.Key, filepath.Join(filepath.Dir(a.CA), "ca.key")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestMake_KeepsWhatIsGood(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	f := mustMake(t, dir, now, "a.test")[0]
	ca, a := read(t, f.CA), read(t, f.Cert)
	b := mustMake(t, dir, now.Add(certificateLife-renewal-2*time.Minute), "a.test", "b.test")[1]
	if !bytes.Equal(read(t, f.CA), ca) || !bytes.Equal(read(t, f.Cert), a) {
		t.Error("good files were made anew")
	}
	if err := shake(t, b, f.CA, "b.test", now.Add(certificateLife-renewal)); err != nil {
		t.Errorf("one added later: %v", err)
	}
}

func TestMake_RenewsWhatIsNot(t *testing.T) {
	now := time.Now()
	for name, spoil := range map[string]func(t *testing.T, f Files){
		"half a file":       func(t *testing.T, f Files) { put(t, f.Cert, read(t, f.Cert)[:100]) },
		"no key":            func(t *testing.T, f Files) { must(t, os.Remove(f.Key)) },
		"another authority": func(t *testing.T, f Files) { copyPair(t, mustMake(t, t.TempDir(), now, "a.test")[0], f) },
		"another name": func(t *testing.T, f Files) {
			copyPair(t, mustMake(t, filepath.Dir(f.CA), now, "other.test")[0], f)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := mustMake(t, dir, now, "a.test")[0]
			ca := read(t, f.CA)
			spoil(t, f)
			mustMake(t, dir, now, "a.test")
			if err := shake(t, f, f.CA, "a.test", now); err != nil || !bytes.Equal(ca, read(t, f.CA)) {
				t.Errorf("%v", err)
			}
		})
	}
	for what, later := range map[string]time.Duration{"a certificate about to end": certificateLife - renewal + time.Minute, "an authority about to end": authorityLife - certificateLife + time.Minute} {
		dir := t.TempDir()
		f := mustMake(t, dir, now, "a.test")[0]
		mustMake(t, dir, now.Add(later), "a.test")
		if err := shake(t, f, f.CA, "a.test", now.Add(later+renewal)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestMake_AnAuthorityThatCannotBeReadIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	f := mustMake(t, dir, time.Now(), "a.test")[0]
	put(t, f.CA, []byte("?"))
	if _, err := Make(dir, time.Now(), "a.test"); err == nil {
		t.Error("it was taken or made anew")
	}
	if string(read(t, f.CA)) != "?" {
		t.Error("it was made anew")
	}
}

func TestMake_RefusesWhatIsNoNameOfAServer(t *testing.T) {
	for _, name := range []string{"", "ca", "A.test", "a.test:8448", "10.0.0.1", "../a.test", "a/b"} {
		dir := filepath.Join(t.TempDir(), "ca")
		if _, err := Make(dir, time.Now(), name); err == nil || !strings.Contains(err.Error(), "DNS name") {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%q: something was made", name)
		}
	}
}

func put(t *testing.T, path string, raw []byte) {
	t.Helper()
	must(t, os.WriteFile(path, raw, 0o600))
}

func copyPair(t *testing.T, from, to Files) {
	t.Helper()
	put(t, to.Cert, read(t, from.Cert))
	put(t, to.Key, read(t, from.Key))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
