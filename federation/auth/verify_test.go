// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func TestVerify_AdmitComesBeforeAnythingIsFetched(t *testing.T) {
	r := newRoom()
	o := r.receiver.o
	asked := id.Server("")
	o.Admit = func(s id.Server) error {
		asked = s
		return fault.New(fault.ServerRefused, "no")
	}
	o.Keys = nil // Asking it would panic.
	in := r.signed(t, "POST", "/x", "{}")
	if _, err := New(o).Verify(in); !fault.Is(err, fault.ServerRefused) || asked != them {
		t.Errorf("asked for %q, got %v", asked, err)
	}
}

func TestVerify_BodiesAreBounded(t *testing.T) {
	r := newRoom()
	if _, err := r.receiver.Verify(r.signed(t, "POST", "/x", strings.Repeat("x", 1000))); err != nil {
		t.Errorf("the largest: %v", err)
	}
	if _, err := r.receiver.Verify(r.signed(t, "POST", "/x", strings.Repeat("x", 1001))); !fault.Is(err, fault.BodyTooLarge) {
		t.Errorf("one more: %v", err)
	}
	in := r.signed(t, "POST", "/x", strings.Repeat("x", 1001))
	in.ContentLength = -1 // It does not say how long it is.
	if _, err := r.receiver.Verify(in); !fault.Is(err, fault.BodyTooLarge) {
		t.Errorf("in chunks: %v", err)
	}
	in = r.signed(t, "POST", "/x", "{}")
	in.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{}))
	if _, err := r.receiver.Verify(in); !fault.Is(err, fault.SignatureInvalid) {
		t.Errorf("cut off: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestVerify_AStoreThatIsAwayIsNoRefusal(t *testing.T) {
	r := newRoom()
	r.nonces.err = errors.New("database away")
	_, err := r.receiver.Verify(r.signed(t, "POST", "/x", "{}"))
	if err == nil || fault.Is(err, fault.SignatureInvalid) || !errors.Is(err, r.nonces.err) {
		t.Errorf("got %v", err)
	}
}

// busy is Keys that asks too many servers already.
type busy struct{}

func (busy) RequestKey(context.Context, id.Server, string) (ed25519.PublicKey, error) {
	return nil, fault.Retry(fault.RateLimited, time.Second, "later")
}

func TestVerify_ALimitOnKeysIsToldAsSuch(t *testing.T) {
	r := newRoom()
	o := r.receiver.o
	o.Keys = busy{}
	_, err := New(o).Verify(r.signed(t, "POST", "/x", "{}"))
	if !fault.Is(err, fault.RateLimited) || fault.From(err).RetryAfter != time.Second {
		t.Errorf("got %v", err)
	}
}

func TestVerify_AStrangerLearnsNoReason(t *testing.T) {
	r := newRoom()
	messages := map[string]bool{}
	for _, a := range attacks() {
		_, err := r.receiver.Verify(a.request(t, r))
		messages[fault.From(err).Message] = true
	}
	if len(messages) != 1 {
		t.Errorf("refusals differ: %v", messages)
	}
}

func TestTimes_TheWindowIsExact(t *testing.T) {
	base := time.Unix(1_795_400_000, 0)
	for _, c := range []struct {
		created, expires int
		good             bool
	}{{0, 300, true}, {30, 330, true}, {31, 331, false}, {-300, 0, true}, {-301, -1, false}, {0, 301, false}, {0, 0, false}, {10, 9, false}, {-10, -1, false}, {-10, 0, true}} {
		f := form{created: base.Add(time.Duration(c.created) * time.Second), expires: base.Add(time.Duration(c.expires) * time.Second)}
		if err := f.checkTimes(base); (err == nil) != c.good {
			t.Errorf("created %d, expires %d: %v", c.created, c.expires, err)
		}
	}
}

func TestCheckTarget_OneSpelling(t *testing.T) {
	for target, want := range map[string]bool{
		"/federation/v1/ping": true, "/a/b-c_d.e~f": true, "/a?b=c&d=e": true, "/.well-known/x": true, "/...": true,
		"/": false, "/a/": false, "//a": false, "/a//b": false, "/a@b": false, "/a:b": false, "/a%41": false, "/a b": false,
		"/a?b%20": false, "/a?b=c;d": false, "/a/./b": false, "/a/..": false, "/ä": false, "/a?": false, "/a+b": false,
	} {
		u, err := url.Parse("https://b.test" + strings.ReplaceAll(target, " ", "%20"))
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckTarget("GET", u); (err == nil) != want {
			t.Errorf("%s: %v", target, err)
		}
	}
	for _, method := range []string{"", "get", "HEAD", "OPTIONS", "PATCH", "CONNECT", "POST "} {
		if CheckTarget(method, &url.URL{Path: "/a"}) == nil {
			t.Errorf("method %q was taken", method)
		}
	}
}

// FuzzVerify looks for a header that the wrapper takes and the library or the second implementation does not.
func FuzzVerify(f *testing.F) {
	r := newRoom()
	good := r.signed(f, "POST", "/federation/v1/ping", "{}")
	f.Add(good.Header.Get("Signature"), good.Header.Get("Digest"), good.Header.Get(HeaderNonce), string(them), "/federation/v1/ping")
	f.Add(`keyId="a",headers="date",signature="x"`, "SHA-256=", "", "127.0.0.1", "/%0A")
	f.Fuzz(func(t *testing.T, signature, digest, nonce, origin, path string) {
		in := &http.Request{Method: "POST", Host: string(us), URL: &url.URL{Path: path}, Body: io.NopCloser(bytes.NewReader([]byte("{}"))),
			Header: http.Header{"Signature": {signature}, "Digest": {digest}, HeaderNonce: {nonce}, HeaderOrigin: {origin}, HeaderDestination: {string(us)}}}
		if form, err := readForm(in, us, time.Now()); err == nil {
			if !form.origin.IsDomain() || string(form.origin) != origin {
				t.Fatalf("origin %q from %q", form.origin, origin)
			}
		}
		if _, err := r.node().checked(in); err == nil && !r.libraryAccepts(in) {
			t.Fatal("the wrapper took what the library refuses")
		}
	})
}
