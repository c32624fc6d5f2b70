// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-fed/httpsig"

	"parley.chat/protocol/id"
)

const (
	us   id.Server = "b.test"
	them id.Server = "a.test:8448"
)

// pair is a key with its id.
type pair struct {
	id  string
	key ed25519.PrivateKey
}

func (p pair) Signing() (string, ed25519.PrivateKey) { return p.id, p.key }

func newPair(name string) pair {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	return pair{"ed25519:" + name, ed25519.NewKeyFromSeed(seed)}
}

// book is Keys in memory.
type book map[string]ed25519.PublicKey

func (b book) RequestKey(_ context.Context, s id.Server, keyID string) (ed25519.PublicKey, error) {
	if k, ok := b[string(s)+"/"+keyID]; ok {
		return k, nil
	}
	return nil, errors.New("no such key")
}

// nonces is Replays in memory, which several nodes may share.
type nonces struct {
	mu   sync.Mutex
	seen map[string]bool
	err  error
}

func (n *nonces) ClaimNonce(_ context.Context, origin id.Server, nonce [16]byte, _ time.Time) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return false, n.err
	}
	k := string(origin) + string(nonce[:])
	defer func() { n.seen[k] = true }()
	return !n.seen[k], nil
}

// room has a sender and a receiver that knows its key.
type room struct {
	sender, receiver *Cavage
	key              pair
	keys             book
	nonces           *nonces
}

func newRoom() *room {
	r := &room{key: newPair("a1"), nonces: &nonces{seen: map[string]bool{}}}
	r.keys = book{string(them) + "/" + r.key.id: r.key.key.Public().(ed25519.PublicKey)}
	r.sender = New(Options{Self: them, Signer: r.key})
	r.receiver = r.node()
	return r
}

// node is a node of the receiver.
func (r *room) node() *Cavage {
	return New(Options{Self: us, Keys: r.keys, Replays: r.nonces, MaxBody: 1000})
}

// signed is a request as the receiver's net/http hands it over.
func (r *room) signed(t testing.TB, method, target, body string) *http.Request {
	t.Helper()
	out, err := http.NewRequest(method, "https://"+string(us)+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.sender.Sign(out, us, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return arrive(t, out)
}

func arrive(t testing.TB, out *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := out.Write(&wire); err != nil {
		t.Fatal(err)
	}
	in, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	return in.WithContext(t.Context())
}

// libraryAccepts tells what go-fed/httpsig says of the request when nobody looks further.
func (r *room) libraryAccepts(in *http.Request) bool {
	c := in.Clone(in.Context())
	v, err := httpsig.NewVerifier(c)
	return err == nil && v.Verify(r.key.key.Public(), httpsig.ED25519) == nil
}

// forged is a signature made by hand, as somebody who holds the key could make it: this is the second implementation.
type forged struct {
	list             string
	created, expires int64
	separator        string // between parameters
}

func now() int64 { return time.Now().Unix() }

func (f forged) sign(in *http.Request, p pair) {
	if f.separator == "" {
		f.separator = ","
	}
	var lines []string
	for name := range strings.SplitSeq(f.list, " ") {
		value := in.Header.Get(name)
		switch name {
		case "(request-target)":
			value = strings.ToLower(in.Method) + " " + in.URL.RequestURI()
		case "host":
			value = in.Host
		case "(created)":
			value = fmt.Sprint(f.created)
		case "(expires)":
			value = fmt.Sprint(f.expires)
		}
		lines = append(lines, name+": "+value)
	}
	sig := ed25519.Sign(p.key, []byte(strings.Join(lines, "\n")))
	params := []string{`keyId="` + in.Header.Get(HeaderOrigin) + "/" + p.id + `"`, `algorithm="hs2019"`,
		fmt.Sprintf("created=%d", f.created), fmt.Sprintf("expires=%d", f.expires),
		`headers="` + f.list + `"`, `signature="` + base64.StdEncoding.EncodeToString(sig) + `"`}
	in.Header.Set("Signature", strings.Join(params, f.separator))
}

func setBody(in *http.Request, body string) {
	in.Body, in.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}
