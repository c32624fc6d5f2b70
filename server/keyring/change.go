// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley.chat/protocol/key"
	"parley.chat/store"
)

// Listed is a key for an operator.
type Listed struct {
	key.Key
	IsSigning bool // the one that signs now
	IsAtHand  bool // its private part is in the data folder
	HasEnd    bool // its end was decided
}

// List returns all keys, the newest first.
func (r *Ring) List() []Listed {
	signing, _ := r.Signing()
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.keys(r.o.Now())
	var out []Listed
	for _, row := range r.rows {
		k, _ := d.Find(row.ID)
		out = append(out, Listed{Key: k, IsSigning: k.ID == signing, IsAtHand: r.private[k.ID] != nil, HasEnd: row.Until != 0})
	}
	return out
}

// Rotate makes a new key that is published at once and signs in a moment; those before it end after the overlap.
func (r *Ring) Rotate(ctx context.Context, overlap time.Duration) (keyID string, err error) {
	if overlap < time.Hour || overlap > 90*24*time.Hour {
		return "", errors.New("rotate: the overlap is between an hour, which is how long others may hold what was published, and 90 days")
	}
	before := r.Current()
	if len(before) >= key.MaxCurrent || len(r.List()) >= key.MaxCurrent+key.MaxOld {
		return "", fmt.Errorf("rotate: there are %d keys in use already; wait until one ends", len(before))
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("rotate: %w", err)
	}
	keyID = key.ID(public)
	if err := writePrivate(r.o.Dir, keyID, private); err != nil {
		return "", fmt.Errorf("rotate: %w", err)
	}
	now := r.o.Now()
	if err := r.o.Store.AddServerKey(ctx, store.ServerKey{ID: keyID, Public: public, From: now.UnixMilli()}); err != nil {
		return "", fmt.Errorf("rotate: %w", err)
	}
	for _, k := range before {
		err := r.o.Store.EndServerKey(ctx, k.ID, now.Add(overlap).UnixMilli(), false)
		if err != nil && !errors.Is(err, store.ErrNoServerKey) { // One that ends sooner keeps its end.
			return keyID, fmt.Errorf("rotate: %w", err)
		}
	}
	return keyID, r.Reload(ctx)
}

// Revoke ends a key: what it signed after that time is not to be believed. The last key at hand is not revoked.
func (r *Ring) Revoke(ctx context.Context, keyID string, since time.Time) error {
	now := r.o.Now()
	if since.After(now) {
		return errors.New("revoke: the time is in the future")
	}
	var found *Listed
	others := 0
	for _, k := range r.List() {
		switch {
		case k.ID == keyID:
			found = &k
		case k.IsAtHand && k.Signs(now.UnixMilli()):
			others++
		}
	}
	if found == nil {
		return fmt.Errorf("revoke: there is no key %s", keyID)
	}
	if others == 0 {
		return errors.New("revoke: there is no other key to sign with; make one with parley keys rotate first")
	}
	at := max(since.UnixMilli(), found.From)
	if found.IsOld {
		at = min(at, found.Until)
	}
	if err := r.o.Store.EndServerKey(ctx, keyID, at, true); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return r.Reload(ctx)
}

// fileName is where a key other than the first is kept.
func fileName(keyID string) string {
	return "signing-" + strings.TrimPrefix(keyID, "ed25519:") + ".key"
}

// readPrivate reads the private keys of the folder, the first one excepted.
func readPrivate(dir string) (map[string]ed25519.PrivateKey, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	out := map[string]ed25519.PrivateKey{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "signing-") || !strings.HasSuffix(e.Name(), ".key") {
			continue
		}
		name := filepath.Join(dir, e.Name())
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		seed, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(raw)))
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("read keys: %s is damaged: restore it from a backup", name)
		}
		k := ed25519.NewKeyFromSeed(seed)
		out[key.ID(k.Public().(ed25519.PublicKey))] = k
	}
	return out, nil
}

// writePrivate puts a key on the disk before anything says that it exists.
func writePrivate(dir, keyID string, k ed25519.PrivateKey) error {
	path := filepath.Join(dir, fileName(keyID))
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(base64.RawURLEncoding.EncodeToString(k.Seed()) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
