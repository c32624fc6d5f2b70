// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley.chat/protocol/event"
	"parley.chat/protocol/key"
	"parley.chat/store"
)

// shelf is a Store in memory with the rules of the real one.
type shelf struct {
	rows []store.ServerKey
	err  error
}

func (s *shelf) ServerKeys(context.Context) ([]store.ServerKey, error) {
	out := slices.Clone(s.rows)
	slices.SortFunc(out, func(a, b store.ServerKey) int { return int(b.From - a.From) })
	return out, s.err
}

func (s *shelf) AddServerKey(_ context.Context, k store.ServerKey) error {
	if !slices.ContainsFunc(s.rows, func(r store.ServerKey) bool { return r.ID == k.ID }) {
		s.rows = append(s.rows, k)
	}
	return s.err
}

func (s *shelf) EndServerKey(_ context.Context, keyID string, until int64, revoke bool) error {
	for i, r := range s.rows {
		if r.ID == keyID && (revoke || r.Until == 0 || r.Until > until) {
			s.rows[i].Until, s.rows[i].IsRevoked = until, r.IsRevoked || revoke
			return s.err
		}
	}
	return store.ErrNoServerKey
}

type room struct {
	ring  *Ring
	shelf *shelf
	at    time.Time
	o     Options
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{shelf: &shelf{}, at: time.UnixMilli(1_795_400_000_000)}
	r.o = Options{Dir: t.TempDir(), Server: "example.org", First: ed25519.NewKeyFromSeed(make([]byte, 32)), Store: r.shelf,
		Now: func() time.Time { return r.at }, Log: slog.New(slog.DiscardHandler)}
	r.open(t)
	return r
}

func (r *room) open(t *testing.T) {
	t.Helper()
	var err error
	if r.ring, err = Open(t.Context(), r.o); err != nil {
		t.Fatal(err)
	}
}

func (r *room) document(t *testing.T) key.Document {
	t.Helper()
	raw, err := r.ring.Document()
	if err != nil {
		t.Fatal(err)
	}
	d, err := key.Parse(raw, "example.org")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (r *room) rotate(t *testing.T) string {
	t.Helper()
	keyID, err := r.ring.Rotate(t.Context(), Overlap)
	if err != nil {
		t.Fatal(err)
	}
	return keyID
}

func TestRing_TheFirstKeyIsValidSinceEver(t *testing.T) {
	r := newRoom(t)
	d := r.document(t)
	if len(d.Keys) != 1 || len(d.Old) != 0 || !d.Keys[0].Covers(0) || !d.Keys[0].Signs(r.at.Add(published).UnixMilli()) {
		t.Errorf("published %+v", d)
	}
	r.open(t)
	if len(r.shelf.rows) != 1 {
		t.Errorf("a second start made %d keys", len(r.shelf.rows))
	}
}

func TestRing_ANewKeyIsPublishedBeforeItSigns(t *testing.T) {
	r := newRoom(t)
	first, _ := r.ring.Signing()
	second := r.rotate(t)
	if d := r.document(t); len(d.Keys) != 2 || d.Keys[0].ID != second {
		t.Errorf("published %+v", d.Keys)
	}
	if now, _ := r.ring.Signing(); now != first {
		t.Error("the new key signs before anybody could know it")
	}
	r.at = r.at.Add(settle)
	if now, _ := r.ring.Signing(); now != second {
		t.Error("the new key does not sign")
	}
	c, err := r.ring.Sign(event.Checkpoint{})
	if err != nil || c.KeyID != second || c.Server != "example.org" {
		t.Errorf("a checkpoint is signed by %+v, %v", c, err)
	}
	r.at = r.at.Add(Overlap)
	d := r.document(t)
	if len(d.Keys) != 1 || len(d.Old) != 1 || d.Old[0].ID != first || d.Old[0].IsRevoked {
		t.Errorf("after the overlap: %+v", d)
	}
	if k, ok := r.ring.Own(first); !ok || !k.IsOld || !k.Covers(0) {
		t.Errorf("the first key: %+v", k)
	}
}

func TestRing_SurvivesARestartWithItsFiles(t *testing.T) {
	r := newRoom(t)
	second := r.rotate(t)
	r.at = r.at.Add(Overlap + time.Hour)
	r.open(t)
	if now, _ := r.ring.Signing(); now != second {
		t.Errorf("%s signs", now)
	}
	info, err := os.Stat(filepath.Join(r.o.Dir, fileName(second)))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if err := os.Remove(filepath.Join(r.o.Dir, fileName(second))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), r.o); err == nil || !strings.Contains(err.Error(), "backup") {
		t.Errorf("without the file of the only key: %v", err)
	}
}

func TestRing_ANodeWithoutTheNewFileSignsWithTheOldKey(t *testing.T) {
	r := newRoom(t)
	first, _ := r.ring.Signing()
	other := r.o
	other.Dir = t.TempDir()
	second := r.rotate(t)
	r.at = r.at.Add(time.Hour)
	node, err := Open(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := node.Signing(); now != first {
		t.Errorf("%s signs", now)
	}
	raw, err := node.Document()
	if err != nil {
		t.Fatal(err)
	}
	if d, err := key.Parse(raw, "example.org"); err != nil || len(d.Keys) != 2 {
		t.Errorf("it publishes %+v, %v", d, err)
	}
	for _, k := range node.List() {
		if k.IsAtHand != (k.ID != second) {
			t.Errorf("%s is at hand: %t", k.ID, k.IsAtHand)
		}
	}
}

func TestRevoke_EndsAKeyAtOnceButNotTheLastOne(t *testing.T) {
	r := newRoom(t)
	first, _ := r.ring.Signing()
	if err := r.ring.Revoke(t.Context(), first, r.at); err == nil {
		t.Fatal("the last key was revoked")
	}
	second := r.rotate(t)
	since := r.at.Add(-time.Hour)
	if err := r.ring.Revoke(t.Context(), first, since); err != nil {
		t.Fatal(err)
	}
	if now, _ := r.ring.Signing(); now != second {
		t.Error("the new key does not sign at once, though there is no other")
	}
	d := r.document(t)
	k, _ := d.Find(first)
	if !k.IsOld || !k.IsRevoked || k.Until != since.UnixMilli() || len(d.Keys) != 1 {
		t.Errorf("published %+v", k)
	}
	for what, err := range map[string]error{
		"no such key":    r.ring.Revoke(t.Context(), "ed25519:x", r.at),
		"in the future":  r.ring.Revoke(t.Context(), first, r.at.Add(time.Hour)),
		"the last again": r.ring.Revoke(t.Context(), second, r.at),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestRotate_HasBounds(t *testing.T) {
	r := newRoom(t)
	for _, overlap := range []time.Duration{0, 59 * time.Minute, 91 * 24 * time.Hour} {
		if _, err := r.ring.Rotate(t.Context(), overlap); err == nil {
			t.Errorf("an overlap of %s", overlap)
		}
	}
	for range key.MaxCurrent - 1 {
		r.rotate(t)
		r.at = r.at.Add(time.Second)
	}
	if _, err := r.ring.Rotate(t.Context(), Overlap); err == nil {
		t.Error("a ninth key")
	}
	r.document(t)
}

func TestDocument_IsSignedAnewWhenSomethingChanges(t *testing.T) {
	r := newRoom(t)
	before, _ := r.ring.Document()
	r.at = r.at.Add(59 * time.Minute)
	if again, _ := r.ring.Document(); string(again) != string(before) {
		t.Error("signed again within the hour")
	}
	r.at = r.at.Add(2 * time.Minute)
	after, _ := r.ring.Document()
	if string(after) == string(before) {
		t.Error("not signed again after the hour")
	}
	r.rotate(t)
	if now, _ := r.ring.Document(); string(now) == string(after) {
		t.Error("the new key is not published")
	}
}

func TestReload_KeepsWhatItKnowsWhenTheDatabaseIsAway(t *testing.T) {
	r := newRoom(t)
	first, _ := r.ring.Signing()
	r.shelf.err = errors.New("away")
	if err := r.ring.Reload(t.Context()); err == nil {
		t.Error("no error")
	}
	if now, k := r.ring.Signing(); now != first || k == nil {
		t.Error("the key is lost")
	}
	r.shelf.err = nil
	if err := os.WriteFile(filepath.Join(r.o.Dir, "signing-x.key"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.ring.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}
