// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-fed/httpsig"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Cavage is the scheme cavage12-ed25519-v1. Make it with New.
type Cavage struct{ o Options }

var _ RequestAuth = (*Cavage)(nil)

// New returns the scheme for this server.
func New(o Options) *Cavage {
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultBody
	}
	return &Cavage{o: o}
}

// Scheme implements RequestAuth.
func (c *Cavage) Scheme() string { return Scheme }

// Sign implements RequestAuth. A request that bears a signature already is refused: another attempt needs another nonce and
// time, so another request. spec: FED-AUTH-1 FED-AUTH-8
func (c *Cavage) Sign(r *http.Request, to id.Server, body []byte) error {
	if r.Header.Get("Signature") != "" || r.Header.Get("Digest") != "" {
		return errors.New("sign request: it is signed already")
	}
	if err := CheckTarget(r.Method, r.URL); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	keyID, key := c.o.Signer.Signing()
	if len(key) != ed25519.PrivateKeySize {
		return errors.New("sign request: this server has no key at hand")
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // It never fails (Go 1.24).
	r.Host = string(to)
	r.Header.Set("Host", r.Host) // The library looks there only.
	r.Header.Set(HeaderOrigin, string(c.o.Self))
	r.Header.Set(HeaderDestination, string(to))
	r.Header.Set(HeaderNonce, base64.RawURLEncoding.EncodeToString(nonce[:]))
	// A signer holds the time of its making and is for one goroutine: every request has its own.
	signer, algorithm, err := httpsig.NewSigner([]httpsig.Algorithm{httpsig.ED25519}, httpsig.DigestSha256,
		strings.Split(signedList, " "), httpsig.Signature, int64(life/time.Second))
	if err != nil || algorithm != httpsig.ED25519 {
		return fmt.Errorf("sign request: the library chose %q: %w", algorithm, err)
	}
	if body == nil {
		body = []byte{} // The library leaves the digest out for nil.
	}
	if err := signer.SignRequest(key, string(c.o.Self)+"/"+keyID, r, body); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	r.Header.Del("Host")
	return nil
}

// Verify implements RequestAuth. Its faults are signature_invalid, body_too_large, rate_limited, and what Admit
// returns; any other error is of Replays.
func (c *Cavage) Verify(r *http.Request) (Verified, error) {
	ctx := r.Context()
	f, err := readForm(r, c.o.Self, time.Now())
	if err != nil {
		return Verified{}, refuse(err)
	}
	if c.o.Admit != nil {
		if err := c.o.Admit(f.origin); err != nil {
			return Verified{}, err
		}
	}
	body, err := c.readBody(r)
	if err != nil {
		return Verified{}, err
	}
	if f.digest != digest(body) { // spec: FED-AUTH-5
		return Verified{}, refuse(errors.New("the body does not fit the digest"))
	}
	if err := c.checkSignature(ctx, r, f); fault.Is(err, fault.RateLimited) { // Keys of too many servers are asked for just now.
		return Verified{}, err
	} else if err != nil {
		return Verified{}, refuse(err)
	}
	// Only now: else anybody could use up an origin's nonces. spec: FED-AUTH-7
	first, err := c.o.Replays.ClaimNonce(ctx, f.origin, f.nonce, f.expires)
	if err != nil {
		return Verified{}, fmt.Errorf("claim nonce of %s: %w", f.origin, err)
	}
	if !first {
		return Verified{}, refuse(fmt.Errorf("a request of %s came a second time", f.origin))
	}
	return Verified{Origin: f.origin, KeyID: f.keyID, Body: body}, nil
}

func (c *Cavage) readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, refuse(errors.New("the body is encoded"))
	}
	tooLarge := fault.New(fault.BodyTooLarge, "a request between servers has at most %d bytes", c.o.MaxBody)
	if r.ContentLength > c.o.MaxBody {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, c.o.MaxBody+1))
	if err != nil {
		return nil, refuse(fmt.Errorf("read body: %w", err))
	}
	if int64(len(body)) > c.o.MaxBody {
		return nil, tooLarge
	}
	return body, nil
}

// digest is the one form of the header: the library never compares it with the body.
func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

func (c *Cavage) checkSignature(ctx context.Context, r *http.Request, f form) error {
	key, err := c.o.Keys.RequestKey(ctx, f.origin, f.keyID)
	if err != nil {
		return fmt.Errorf("key %s of %s: %w", f.keyID, f.origin, err)
	}
	if len(key) != ed25519.PublicKeySize { // Verify would panic.
		return fmt.Errorf("key %s of %s has the wrong length", f.keyID, f.origin)
	}
	// The library gets what was checked and nothing else.
	seen := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{"Host": {r.Host}}}
	for _, name := range [...]string{"Signature", "Digest", HeaderOrigin, HeaderDestination, HeaderNonce} {
		seen.Header[http.CanonicalHeaderKey(name)] = []string{r.Header.Get(name)}
	}
	v, err := httpsig.NewVerifier(seen)
	if err != nil {
		return fmt.Errorf("read signature: %w", err)
	}
	if v.KeyId() != string(f.origin)+"/"+f.keyID {
		return errors.New("the library reads another key id than we do")
	}
	if err := v.Verify(key, httpsig.ED25519); err != nil {
		return fmt.Errorf("the signature does not verify: %w", err)
	}
	return nil
}

// refuse makes the one fault a stranger sees. spec: FED-AUTH-10
func refuse(because error) error {
	return fault.New(fault.SignatureInvalid, "the request is not signed as this server asks").Because(because)
}
