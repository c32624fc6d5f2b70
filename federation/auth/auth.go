// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"time"

	"parley.chat/protocol/id"
)

// RequestAuth is a scheme by which requests between servers are signed.
type RequestAuth interface {
	// Scheme is the name in discovery.
	Scheme() string
	// Sign makes the request one of ours to that server. The request is a new one for every attempt, its body is the given one.
	Sign(r *http.Request, to id.Server, body []byte) error
	// Verify reads the body and returns who sent it, or a fault.
	Verify(r *http.Request) (Verified, error)
}

// Verified is a request whose sender is known and that was not seen before.
type Verified struct {
	Origin id.Server
	KeyID  string // "ed25519:<id>"
	Body   []byte
}

// Keys finds the keys of other servers.
type Keys interface {
	// RequestKey returns the key if it belongs to the server and may sign requests now.
	RequestKey(ctx context.Context, server id.Server, keyID string) (ed25519.PublicKey, error)
}

// Signer has our own key.
type Signer interface {
	Signing() (keyID string, key ed25519.PrivateKey)
}

// Replays remembers nonces for all nodes of this server.
type Replays interface {
	// ClaimNonce notes that the origin used the nonce, until then at least, and reports whether it is the first time.
	ClaimNonce(ctx context.Context, origin id.Server, nonce [16]byte, until time.Time) (first bool, err error)
}

// Options make a Cavage. All but Admit and MaxBody are needed.
type Options struct {
	Self    id.Server
	Signer  Signer
	Keys    Keys
	Replays Replays
	// Admit may refuse an origin with a fault before anything is fetched for it; nil admits all. The origin is only claimed.
	Admit func(origin id.Server) error
	// MaxBody is the size of the largest body in bytes, DefaultBody if 0.
	MaxBody int64
}

// DefaultBody is the largest body of a request between servers, in bytes.
const DefaultBody = 1 << 20
