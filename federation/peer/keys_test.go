// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
)

// keySite serves whatever document is set.
func keySite(t *testing.T) (*site, *Keyring, *atomic.Pointer[[]byte]) {
	var doc atomic.Pointer[[]byte]
	s := newSite(t, true, func(w http.ResponseWriter, r *http.Request) {
		raw := doc.Load()
		if r.URL.Path != KeysPath || raw == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(*raw)
	})
	own := key.Key{ID: "ed25519:own", Until: 1 << 50}
	ring := NewKeyring(KeyOptions{Client: s.client, Self: "us.test", UnknownPerMinute: 3, Now: s.clock.now,
		Own: func(keyID string) (key.Key, bool) { return own, keyID == own.ID }})
	return s, ring, &doc
}

func TestKeyring_AsksOnceHoweverManyWait(t *testing.T) {
	s, ring, doc := keySite(t)
	raw, keyID := published(t, home, s.clock.now(), nil)
	doc.Store(&raw)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := ring.RequestKey(t.Context(), home, keyID); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestKeyring_AFloodOfKeyIDsIsOneQuestionAMinute(t *testing.T) {
	s, ring, doc := keySite(t)
	raw, keyID := published(t, home, s.clock.now(), nil)
	doc.Store(&raw)
	for i := range 100 {
		if _, err := ring.RequestKey(t.Context(), home, "ed25519:x"+string(rune('a'+i%26))); !errors.Is(err, ErrNoKey) {
			t.Fatal(err)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if _, err := ring.RequestKey(t.Context(), home, keyID); err != nil {
		t.Errorf("the good key meanwhile: %v", err)
	}
	s.clock.add(61 * time.Second)
	_, _ = ring.RequestKey(t.Context(), home, "ed25519:y")
	_, _ = ring.RequestKey(t.Context(), home, "ed25519:z")
	if n := s.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestKeyring_AFailureIsRememberedToo(t *testing.T) {
	s, ring, _ := keySite(t)
	for range 10 {
		if _, err := ring.RequestKey(t.Context(), home, "ed25519:a"); err == nil {
			t.Fatal("a key of nowhere")
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestKeyring_ServersNeverMetAreAskedAtARate(t *testing.T) {
	s, ring, _ := keySite(t)
	for _, name := range []id.Server{"a.test", "b.test", "c.test"} {
		if _, err := ring.RequestKey(t.Context(), name, "ed25519:a"); err == nil || fault.Is(err, fault.RateLimited) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ring.RequestKey(t.Context(), home, "ed25519:a"); !fault.Is(err, fault.RateLimited) || s.asked.Load() != 0 {
		t.Errorf("the fourth: %v", err)
	}
	s.clock.add(2 * time.Minute)
	if _, err := ring.RequestKey(t.Context(), home, "ed25519:a"); fault.Is(err, fault.RateLimited) {
		t.Errorf("later: %v", err)
	}
}

func TestKeyring_WhatMaySignAndWhatMayNot(t *testing.T) {
	s, ring, doc := keySite(t)
	_, oldID := published(t, home, s.clock.now(), nil)
	now := s.clock.now().UnixMilli()
	var expired key.Key
	raw, keyID := published(t, home, s.clock.now(), func(d *key.Document) {
		old := d.Keys[0]
		expired = key.Key{ID: oldID, Public: old.Public, From: 5, Until: now - 1000, IsOld: true}
		revoked := expired
		revoked.ID, revoked.IsRevoked = "ed25519:revoked", true
		late := old
		late.ID, late.From, late.Until = "ed25519:late", now+3600_000, now+7200_000
		d.Keys, d.Old = append(d.Keys, late), []key.Key{expired, revoked}
	})
	doc.Store(&raw)
	for _, bad := range []string{oldID, "ed25519:revoked", "ed25519:late"} {
		if _, err := ring.RequestKey(t.Context(), home, bad); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s signs: %v", bad, err)
		}
	}
	if _, err := ring.RequestKey(t.Context(), home, keyID); err != nil {
		t.Error(err)
	}
	k, err := ring.Find(t.Context(), home, oldID)
	if err != nil || k.Covers(4) || !k.Covers(5) || !k.Covers(now-1000) || k.Covers(now) {
		t.Errorf("the old key: %+v, %v", k, err)
	}
	if k, err := ring.Find(t.Context(), "us.test", "ed25519:own"); err != nil || k.ID != "ed25519:own" {
		t.Errorf("our own: %v", err)
	}
	if _, err := ring.Find(t.Context(), "us.test", "ed25519:x"); !errors.Is(err, ErrNoKey) {
		t.Errorf("our own, unknown: %v", err)
	}
}

func TestKeyring_DocumentsOfAnotherTimeOrNameAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		server id.Server
		ahead  time.Duration
	}{"of another server": {"other.test", 0}, "from the future": {home, 6 * time.Minute}} {
		s, ring, doc := keySite(t)
		raw, keyID := published(t, c.server, s.clock.now().Add(c.ahead), nil)
		doc.Store(&raw)
		if _, err := ring.RequestKey(t.Context(), home, keyID); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	s, ring, doc := keySite(t)
	older, oldID := published(t, home, s.clock.now().Add(-time.Hour), nil)
	newer, newID := published(t, home, s.clock.now(), nil)
	doc.Store(&newer)
	if _, err := ring.RequestKey(t.Context(), home, newID); err != nil {
		t.Fatal(err)
	}
	doc.Store(&older)
	s.clock.add(61 * time.Second)
	if _, err := ring.RequestKey(t.Context(), home, oldID); err == nil {
		t.Error("an older document replaced a newer one")
	}
	if _, err := ring.RequestKey(t.Context(), home, newID); err != nil {
		t.Errorf("the newer one was lost: %v", err)
	}
	s.clock.add(time.Hour)
	if _, err := ring.RequestKey(t.Context(), home, newID); err == nil {
		t.Error("a document is held for longer than an hour")
	}
}

func TestKeyring_ACallerThatLeavesDoesNotEndTheQuestion(t *testing.T) {
	s, ring, doc := keySite(t)
	raw, keyID := published(t, home, s.clock.now(), nil)
	doc.Store(&raw)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = ring.RequestKey(gone, home, keyID)
	if _, err := ring.RequestKey(t.Context(), home, keyID); err != nil {
		t.Error(err)
	}
	if n := s.asked.Load(); n > 1 {
		t.Errorf("asked %d times", n)
	}
}

// shelf keeps documents.
type shelf struct {
	docs  map[id.Server][]byte
	got   map[id.Server]int64
	saves int
	err   error
}

func (s *shelf) PeerKeys(_ context.Context, server id.Server) ([]byte, int64, error) {
	return s.docs[server], s.got[server], s.err
}

func (s *shelf) SavePeerKeys(_ context.Context, server id.Server, document []byte, got int64) error {
	if s.err == nil {
		s.docs[server], s.got[server] = document, got
		s.saves++
	}
	return s.err
}

func TestFindStored_WhatWasPublishedServesWhileTheServerIsAway(t *testing.T) {
	s, ring, doc := keySite(t)
	raw, keyID := published(t, home, s.clock.now(), nil)
	doc.Store(&raw)
	if _, err := ring.FindStored(t.Context(), home, keyID); err != nil {
		t.Fatal(err)
	}
	doc.Store(nil)
	s.clock.add(3 * time.Hour)
	if _, err := ring.RequestKey(t.Context(), home, keyID); err == nil {
		t.Error("a request is good by a document of hours ago")
	}
	if k, err := ring.FindStored(t.Context(), home, keyID); err != nil || k.ID != keyID {
		t.Errorf("for what is kept: %+v, %v", k, err)
	}
	if _, err := ring.FindStored(t.Context(), home, "ed25519:x"); err == nil {
		t.Error("a key that never was")
	}
	if _, err := ring.FindStored(t.Context(), "far.test", keyID); err == nil {
		t.Error("a key of a server never met")
	}
}

func TestFindStored_WhatWasNeededOnceSurvivesTheProcess(t *testing.T) {
	s, _, doc := keySite(t)
	kept := &shelf{docs: map[id.Server][]byte{}, got: map[id.Server]int64{}}
	start := func() *Keyring {
		return NewKeyring(KeyOptions{Client: s.client, Self: "us.test", Now: s.clock.now, Store: kept, Own: func(string) (key.Key, bool) { return key.Key{}, false }})
	}
	raw, keyID := published(t, home, s.clock.now(), nil)
	doc.Store(&raw)
	ring := start()
	if _, err := ring.RequestKey(t.Context(), home, keyID); err != nil || kept.saves != 0 {
		t.Errorf("a request: %v, kept %d times", err, kept.saves)
	}
	for range 3 {
		if _, err := ring.FindStored(t.Context(), home, keyID); err != nil {
			t.Fatal(err)
		}
	}
	if kept.saves != 1 {
		t.Errorf("kept %d times", kept.saves)
	}
	asked := s.asked.Load()
	if _, err := start().RequestKey(t.Context(), home, keyID); err != nil || s.asked.Load() != asked {
		t.Errorf("within the hour after a restart: %v, asked %d times more", err, s.asked.Load()-asked)
	}
	doc.Store(nil)
	s.clock.add(30 * 24 * time.Hour)
	ring = start()
	if k, err := ring.FindStored(t.Context(), home, keyID); err != nil || k.Covers(s.clock.now().UnixMilli()) {
		t.Errorf("a month later, the server gone: %+v, %v", k, err)
	}
	if _, err := ring.RequestKey(t.Context(), home, keyID); err == nil {
		t.Error("a request is good by a document of a month ago")
	}
	kept.docs[home] = []byte("damaged")
	if _, err := start().FindStored(t.Context(), home, keyID); err == nil {
		t.Error("a damaged document serves")
	}
	kept.err = errors.New("away")
	doc.Store(&raw)
	if _, err := start().FindStored(t.Context(), home, keyID); err != nil {
		t.Errorf("while the store is away: %v", err)
	}
}
