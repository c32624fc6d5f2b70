// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	"parley.chat/store"
)

// Store keeps ids and lives.
type Store interface {
	ServerKeys(ctx context.Context) ([]store.ServerKey, error)
	AddServerKey(ctx context.Context, k store.ServerKey) error
	EndServerKey(ctx context.Context, keyID string, until int64, revoke bool) error
}

// Options make a Ring.
type Options struct {
	Dir    string // the data folder
	Server id.Server
	First  ed25519.PrivateKey // signing.key
	Store  Store
	Now    func() time.Time // nil: the clock of the machine
	Log    *slog.Logger
}

// Times of keys.
const (
	// Overlap is how long the keys before a new one go on signing.
	Overlap = 7 * 24 * time.Hour
	// published is how long a key without an end is published for, from the signing of a document.
	published = 7 * 24 * time.Hour
	// resign is the age at which the document is made again.
	resign = time.Hour
	// settle is how long a key is published before it signs: who asked for keys just before may ask again by then.
	settle = 90 * time.Second
	// lookEvery is the pause between two looks for changes.
	lookEvery = 10 * time.Second
)

// Ring has the keys. Make it with Open.
type Ring struct {
	o Options

	mu       sync.Mutex
	rows     []store.ServerKey // the newest first
	private  map[string]ed25519.PrivateKey
	document []byte
	made     time.Time
	warned   string
}

// Open reads the keys, and notes the first one in a new database.
func Open(ctx context.Context, o Options) (*Ring, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Ring{o: o}
	public := o.First.Public().(ed25519.PublicKey)
	// The first key is valid since ever: the log may be older than this table.
	if err := o.Store.AddServerKey(ctx, store.ServerKey{ID: key.ID(public), Public: public}); err != nil {
		return nil, err
	}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	if _, k := r.Signing(); k == nil {
		return nil, errors.New("no key that may sign is in the data folder: its signing-….key file is missing, restore it from a backup")
	}
	return r, nil
}

// Run looks for changes until ctx is done.
func (r *Ring) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := r.Reload(ctx); err != nil && ctx.Err() == nil {
			r.o.Log.Warn("keys not read; those known stay in use", slog.Any("error", err))
		}
	}
}

// Reload reads folder and database again.
func (r *Ring) Reload(ctx context.Context) error {
	rows, err := r.o.Store.ServerKeys(ctx)
	if err != nil {
		return err
	}
	private, err := readPrivate(r.o.Dir)
	if err != nil {
		return err
	}
	first := r.o.First.Public().(ed25519.PublicKey)
	private[key.ID(first)] = r.o.First
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.EqualFunc(rows, r.rows, same) {
		r.document = nil
	}
	r.rows, r.private = rows, private
	now := r.o.Now().UnixMilli()
	for _, k := range rows {
		if !isOld(k, now) && private[k.ID] == nil && r.warned != k.ID {
			r.warned = k.ID
			r.o.Log.Warn("a key of this homeserver is not in the data folder of this node: copy its file", slog.String("key", k.ID), slog.String("file", fileName(k.ID)))
		}
	}
	return nil
}

func same(a, b store.ServerKey) bool {
	return a.ID == b.ID && a.From == b.From && a.Until == b.Until && a.IsRevoked == b.IsRevoked
}

func isOld(k store.ServerKey, now int64) bool { return k.IsRevoked || k.Until != 0 && k.Until <= now }

// Signing returns the key that signs now: the newest at hand that others had time to learn of, else the newest.
func (r *Ring) Signing() (keyID string, private ed25519.PrivateKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now().UnixMilli()
	for _, k := range r.rows {
		p := r.private[k.ID]
		if p == nil || isOld(k, now) || k.From > now {
			continue
		}
		if k.From+settle.Milliseconds() <= now {
			return k.ID, p
		}
		if private == nil {
			keyID, private = k.ID, p
		}
	}
	return keyID, private
}

// Sign implements op.Signer.
func (r *Ring) Sign(c event.Checkpoint) (event.Signature, error) {
	c.Hub = r.o.Server
	keyID, private := r.Signing()
	if private == nil {
		return event.Signature{}, errors.New("sign checkpoint: no key at hand")
	}
	return c.Sign(keyID, private)
}

// Own returns one of our keys as others see it.
func (r *Ring) Own(keyID string) (key.Key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys(r.o.Now()).Find(keyID)
}

// Current returns the keys that may sign now.
func (r *Ring) Current() []key.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys(r.o.Now()).Keys
}

// keys makes the document without signatures.
func (r *Ring) keys(now time.Time) key.Document {
	at := now.UnixMilli()
	d := key.Document{Server: r.o.Server, Time: at}
	for _, k := range r.rows {
		one := key.Key{ID: k.ID, Public: k.Public, From: k.From, Until: k.Until, IsRevoked: k.IsRevoked}
		switch {
		case isOld(k, at):
			one.IsOld, one.Until = true, max(k.Until, k.From)
			d.Old = append(d.Old, one)
			continue
		case k.Until == 0:
			one.Until = max(now.Add(published).UnixMilli(), k.From)
		}
		d.Keys = append(d.Keys, one)
	}
	return d
}

// Document returns what is published, signed within the last hour.
func (r *Ring) Document() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	if r.document != nil && now.Sub(r.made) < resign && r.made.Sub(now) < resign && !r.ended(r.made, now) {
		return r.document, nil
	}
	raw, err := r.keys(now).Sign(r.private)
	if err != nil {
		return nil, fmt.Errorf("publish keys: %w", err)
	}
	r.document, r.made = raw, now
	return raw, nil
}

// ended tells whether a key came to its end in between.
func (r *Ring) ended(from, to time.Time) bool {
	for _, k := range r.rows {
		if isOld(k, from.UnixMilli()) != isOld(k, to.UnixMilli()) {
			return true
		}
	}
	return false
}
