// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"

	"parley.chat/core/limit"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
)

// KeysPath is where a server publishes its keys.
const KeysPath = "/federation/v1/keys"

// Bounds of fetching keys. spec: FED-KEYS-7 FED-LIMIT-3
const (
	keysSize  = 64 << 10
	keysLife  = time.Hour
	keysEvery = time.Minute // between two attempts for one server
	keyrings  = 4096
	keysAhead = 5 * time.Minute // how far a document's time may be in front of our clock
)

// Keyring has the keys of other servers. Make it with NewKeyring.
type Keyring struct {
	client  *Client
	own     func(keyID string) (key.Key, bool)
	self    id.Server
	now     func() time.Time
	known   *cache[ring]
	flights singleflight.Group
	unknown *limit.Counter
	store   KeyStore // nil: nothing is kept
}

type ring struct {
	doc   key.Document // none if Server is ""
	raw   []byte       // doc as it was published
	saved bool
	got   time.Time
	tried time.Time
	err   error // of the last attempt
}

// KeyStore keeps documents, so that what a server published can be had when it is away, or gone.
type KeyStore interface {
	// PeerKeys reads the document kept of a server, nil if there is none, and when it was had, in Unix milliseconds.
	PeerKeys(ctx context.Context, server id.Server) (document []byte, got int64, err error)
	SavePeerKeys(ctx context.Context, server id.Server, document []byte, got int64) error
}

// KeyOptions make a Keyring.
type KeyOptions struct {
	Client *Client
	Self   id.Server
	Own    func(keyID string) (key.Key, bool) // our own keys
	// UnknownPerMinute is how many servers without keys here are asked in a minute; 0 is no limit.
	UnknownPerMinute int
	Now              func() time.Time // nil: the clock of the machine
	Store            KeyStore         // nil: nothing is kept beyond the process
}

// NewKeyring makes an empty one.
func NewKeyring(o KeyOptions) *Keyring {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keyring{client: o.Client, own: o.Own, self: o.Self, now: o.Now, known: newCache[ring](keyrings),
		unknown: limit.NewCounter(limit.Rate{Count: o.UnknownPerMinute, Per: time.Minute}, 1), store: o.Store}
}

// ErrNoKey is the cause when a server does not publish the key.
var ErrNoKey = errors.New("the server publishes no such key")

// RequestKey implements auth.Keys: the key may sign requests now.
func (r *Keyring) RequestKey(ctx context.Context, server id.Server, keyID string) (ed25519.PublicKey, error) {
	k, err := r.Find(ctx, server, keyID)
	if err != nil {
		return nil, err
	}
	switch {
	case k.IsRevoked:
		return nil, fmt.Errorf("%w: it was revoked", ErrNoKey)
	case !k.Signs(r.now().UnixMilli()):
		return nil, fmt.Errorf("%w: it is past its life", ErrNoKey)
	}
	return k.Public, nil
}

// Find returns a key of the server, current or old: what an entry may be verified with if Covers holds for its time. It is
// answered from memory for up to an hour, and asked anew when the key is unknown or past its life, if a minute has passed.
func (r *Keyring) Find(ctx context.Context, server id.Server, keyID string) (key.Key, error) {
	if server == r.self {
		if k, ok := r.own(keyID); ok {
			return k, nil
		}
		return key.Key{}, ErrNoKey
	}
	have, _ := r.known.get(string(server))
	if k, ok := r.fresh(have, keyID); ok {
		return k, nil
	}
	now := r.now()
	if wait := have.tried.Add(keysEvery).Sub(now); wait > 0 {
		return key.Key{}, errors.Join(fmt.Errorf("%w; it is asked again in %s", ErrNoKey, wait.Round(time.Second)), have.err)
	}
	have, err := r.fetch(ctx, server, keyID)
	if err != nil {
		return key.Key{}, err
	}
	if k, ok := r.fresh(have, keyID); ok {
		return k, nil
	}
	return key.Key{}, errors.Join(ErrNoKey, have.err)
}

// FindStored is Find for what is kept: it counts if it was signed within the key's life. While a server does not answer, what it
// published before serves for that, so that one that is away, or gone, does not keep others from what its users said; therefore what
// was needed once is kept. spec: FED-KEYS-8
func (r *Keyring) FindStored(ctx context.Context, server id.Server, keyID string) (key.Key, error) {
	k, err := r.Find(ctx, server, keyID)
	have, ok := r.known.get(string(server))
	if !ok {
		return k, err
	}
	if err != nil {
		if old, ok := have.doc.Find(keyID); ok {
			return old, nil
		}
		return k, err
	}
	if r.store != nil && !have.saved && have.raw != nil {
		if r.store.SavePeerKeys(ctx, server, have.raw, have.got.UnixMilli()) == nil { // Else the next one saves it.
			have.saved = true
			r.known.put(string(server), have)
		}
	}
	return k, nil
}

// kept is the document that was kept of a server, if it can be read.
func (r *Keyring) kept(ctx context.Context, server id.Server) (have ring) {
	if r.store == nil {
		return have
	}
	ctx, cancel := context.WithTimeout(ctx, keptTime)
	defer cancel()
	raw, got, err := r.store.PeerKeys(ctx, server)
	if err != nil || raw == nil {
		return have
	}
	doc, err := key.Parse(raw, server)
	if err != nil {
		return have
	}
	return ring{doc: doc, raw: raw, saved: true, got: time.UnixMilli(got)}
}

// keptTime bounds a look into the store.
const keptTime = 5 * time.Second

// fresh returns the key if the document is young and the key does not ask for a newer one.
func (r *Keyring) fresh(have ring, keyID string) (key.Key, bool) {
	now := r.now()
	if have.doc.Server == "" || now.After(have.got.Add(keysLife)) {
		return key.Key{}, false
	}
	k, ok := have.doc.Find(keyID)
	if ok && !k.IsOld && now.UnixMilli() > k.Until { // Its end may have been put off since.
		return k, have.tried.Add(keysEvery).After(now)
	}
	return k, ok
}

// fetch asks the server, one at a time. The error is of the caller's context or of the limit; that of the server is in the ring.
func (r *Keyring) fetch(ctx context.Context, server id.Server, keyID string) (ring, error) {
	result := r.flights.DoChan(string(server), func() (any, error) {
		have, known := r.known.get(string(server))
		if known && r.now().Before(have.tried.Add(keysEvery)) {
			return have, nil // Another flight landed meanwhile.
		}
		if !known {
			have = r.kept(context.WithoutCancel(ctx), server)
			if _, ok := r.fresh(have, keyID); ok {
				r.known.put(string(server), have)
				return have, nil
			}
		}
		if have.doc.Server == "" {
			if wait := r.unknown.Take("", 1, r.now().UnixMilli()); wait > 0 {
				return ring{}, fault.Retry(fault.RateLimited, wait, "too many servers that this one has not met")
			}
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
		defer cancel()
		have = r.ask(ctx, server, have)
		r.known.put(string(server), have)
		return have, nil
	})
	select {
	case v := <-result:
		if v.Err != nil {
			return ring{}, v.Err
		}
		return v.Val.(ring), nil
	case <-ctx.Done():
		return ring{}, fmt.Errorf("keys of %s: %w", server, ctx.Err())
	}
}

// ask returns the ring after an attempt. A failure keeps what is there: it ends by its own life.
func (r *Keyring) ask(ctx context.Context, server id.Server, have ring) ring {
	doc, raw, err := r.client.keys(ctx, server)
	now := r.now()
	have.tried, have.err = now, err
	switch {
	case err != nil:
	case time.UnixMilli(doc.Time).After(now.Add(keysAhead)):
		have.err = fmt.Errorf("keys of %s: signed in the future, at %s", server, time.UnixMilli(doc.Time).UTC().Format(time.RFC3339))
	case doc.Time < have.doc.Time:
		have.err = fmt.Errorf("keys of %s: older than those we hold", server)
	default:
		have.saved = have.saved && doc.Time == have.doc.Time
		have.doc, have.raw, have.got = doc, raw, now
	}
	return have
}

// Keys fetches the keys of a server, checked but for their age.
func (c *Client) Keys(ctx context.Context, server id.Server) (key.Document, error) {
	doc, _, err := c.keys(ctx, server)
	return doc, err
}

// KeyDocument fetches the keys of a server as it publishes them, checked as Keys does.
func (c *Client) KeyDocument(ctx context.Context, server id.Server) ([]byte, error) {
	_, raw, err := c.keys(ctx, server)
	return raw, err
}

func (c *Client) keys(ctx context.Context, server id.Server) (key.Document, []byte, error) {
	a, err := c.Do(ctx, Request{To: server, Method: http.MethodGet, Path: KeysPath, MaxAnswer: keysSize, IsUnsigned: true})
	if err != nil {
		return key.Document{}, nil, err
	}
	if a.Status != http.StatusOK {
		return key.Document{}, nil, fmt.Errorf("keys of %s: %s answers %d", server, KeysPath, a.Status)
	}
	doc, err := key.Parse(a.Body, server)
	return doc, a.Body, err
}
