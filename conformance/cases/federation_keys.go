// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

func keyCases(a *area) {
	a.add("FED-KEYS-DOC", "the document of keys is signed JSON, signed by its keys, and told to everybody", "FED-KEYS-1 FED-KEYS-2 FED-KEYS-4 ENC-CANON-5 ENC-HASH-1", keysDocument)
	a.add("FED-KEYS-HONEST", "keys that others publish honestly are taken, old ones beside them", "FED-KEYS-1 FED-KEYS-2 FED-KEYS-5", keysHonest)
	a.add("FED-KEYS-FORM", "a document that is not in its one form is refused", "FED-KEYS-1 ENC-CANON-6", keysForm, slow(time.Minute))
	a.add("FED-KEYS-SIGNED", "a document that its keys did not sign is refused", "FED-KEYS-2", keysSigned)
	a.add("FED-KEYS-WHOSE", "a document of another server or from the future is refused", "FED-KEYS-3", keysWhose)
	a.add("FED-KEYS-OLDER", "a document that is older than the one before is refused", "FED-KEYS-3", keysOlder, slow(2*time.Minute))
	a.add("FED-KEYS-WEAK", "a key with which anybody signs is refused", "FED-KEYS-4 ENC-SIGN-1", keysWeak)
	a.add("FED-KEYS-LIFE", "a request signed by a key before, after or without its life is refused", "FED-KEYS-5", keysLife)
	a.add("FED-KEYS-RARELY", "unknown key ids do not make the server ask more than once a minute", "FED-KEYS-7", keysRarely)
	a.add("FED-KEYS-ONCE", "one question is asked however many requests wait for its answer", "FED-LIMIT-3 FED-KEYS-7", keysOnce)
}

func keysDocument(t *suite.T) {
	p := newPeer(t)
	a := p.send(func() *mock.Request {
		return &mock.Request{Method: "GET", Target: mock.KeysPath, Host: t.Env.ServerName()}
	})
	t.Expect(a.Status == http.StatusOK && len(a.Body) <= 64<<10, "status %d, %d bytes", a.Status, len(a.Body))
	ring, err := mock.ReadKeys(a.Body, t.Env.ServerName())
	t.Expect(err == nil, "%v", err)
	off := time.Since(time.UnixMilli(ring.Time))
	t.Expect(off > -5*time.Minute, "the document is from %v ahead", -off)
}

// keysOf wants pings of a new homeserver that publishes what make returns to be answered, or not.
func keysOf(t *suite.T, what string, isGood bool, make func(p *peer, honest mock.Object) string) {
	p := newPeer(t)
	body := make(p, mock.Keys(p.Name, time.Now(), p.Key))
	p.Handle(mock.KeysPath, func(w http.ResponseWriter, _ *mock.Visit) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	})
	a := p.send(p.ping)
	t.Expect(p.visits(mock.KeysPath) == 1, "%s: the keys were asked %d times, want 1", what, p.visits(mock.KeysPath))
	if isGood {
		wantPong(t, a, what)
	} else {
		wantRefusal(t, a, "signature_invalid", what)
	}
	p.done()
}

func keysHonest(t *suite.T) {
	keysOf(t, "a document with one key", true, func(p *peer, doc mock.Object) string {
		return mock.Encode(mock.SignKeys(doc, p.Key))
	})
	keysOf(t, "a document with eight keys and old ones, signed by some", true, func(p *peer, _ mock.Object) string {
		keys, now := []mock.Key{}, time.Now()
		for i := range 7 {
			keys = append(keys, mock.NewKey(fmt.Sprint("k", i)))
		}
		doc := mock.Keys(p.Name, now, append(keys, p.Key)...)
		doc["oldKeys"] = []any{oldKey(mock.NewKey("o1"), now, false), oldKey(mock.NewKey("o2"), now, true)}
		return mock.Encode(mock.SignKeys(doc, keys[2], keys[5]))
	})
}

func oldKey(k mock.Key, expired time.Time, isRevoked bool) mock.Object {
	return mock.Object{"id": k.ID, "key": k.Public(), "validFrom": int64(0), "expiredAt": expired.UnixMilli(), "isRevoked": isRevoked}
}

func keysForm(t *suite.T) {
	signed := func(change func(p *peer, doc mock.Object)) func(*peer, mock.Object) string {
		return func(p *peer, doc mock.Object) string {
			change(p, doc)
			return mock.Encode(mock.SignKeys(doc, p.Key))
		}
	}
	keysOf(t, "white space at the end", false, func(p *peer, doc mock.Object) string { return mock.Encode(mock.SignKeys(doc, p.Key)) + "\n" })
	keysOf(t, "a member twice", false, func(p *peer, doc mock.Object) string {
		text := mock.Encode(mock.SignKeys(doc, p.Key))
		return text[:len(text)-1] + `,"v":1}`
	})
	keysOf(t, "a member nobody knows", false, signed(func(_ *peer, doc mock.Object) { doc["more"] = int64(1) }))
	keysOf(t, "a version nobody knows", false, signed(func(_ *peer, doc mock.Object) { doc["v"] = int64(2) }))
	keysOf(t, "no list of old keys", false, signed(func(_ *peer, doc mock.Object) { delete(doc, "oldKeys") }))
	keysOf(t, "a key id twice", false, signed(func(p *peer, doc mock.Object) {
		doc["oldKeys"] = []any{oldKey(p.Key, time.Now(), false)}
	}))
	keysOf(t, "nine keys", false, func(p *peer, _ mock.Object) string {
		keys := []mock.Key{p.Key}
		for i := range 8 {
			keys = append(keys, mock.NewKey(fmt.Sprint("k", i)))
		}
		return mock.Encode(mock.SignKeys(mock.Keys(p.Name, time.Now(), keys...), p.Key))
	})
	keysOf(t, "257 old keys", false, signed(func(_ *peer, doc mock.Object) {
		old := []any{}
		for i := range 257 {
			old = append(old, oldKey(mock.NewKey(fmt.Sprint("o", i)), time.Now(), false))
		}
		doc["oldKeys"] = old
	}))
	keysOf(t, "more than 64 KiB", false, func(p *peer, doc mock.Object) string {
		return mock.Encode(mock.SignKeys(doc, p.Key)) + string(make([]byte, 65<<10))
	})
}

func keysSigned(t *suite.T) {
	keysOf(t, "no signatures", false, func(_ *peer, doc mock.Object) string { return mock.Encode(mock.SignKeys(doc)) })
	keysOf(t, "no member signatures", false, func(_ *peer, doc mock.Object) string { return mock.Encode(doc) })
	keysOf(t, "a signature by a key that is not listed", false, func(p *peer, doc mock.Object) string {
		return mock.Encode(mock.SignKeys(doc, mock.NewKey(p.Key.ID[len("ed25519:"):])))
	})
	keysOf(t, "a signature that is good and one that is not", false, func(p *peer, _ mock.Object) string {
		other := mock.NewKey("other")
		doc := mock.Keys(p.Name, time.Now(), p.Key, other)
		return mock.Encode(mock.SignKeys(doc, p.Key, mock.NewKey("other")))
	})
	keysOf(t, "a change after it was signed", false, func(p *peer, doc mock.Object) string {
		doc = mock.SignKeys(doc, p.Key)
		doc["time"] = doc["time"].(int64) + 1
		return mock.Encode(doc)
	})
	keysOf(t, "a signature in another domain", false, func(p *peer, doc mock.Object) string {
		sig := mock.Sign(p.Key.Private, "checkpoint", mock.Encode(doc))
		doc["signatures"] = []any{mock.Object{"keyId": p.Key.ID, "signature": sig}}
		return mock.Encode(doc)
	})
	keysOf(t, "a signature by an old key only", false, func(p *peer, doc mock.Object) string {
		old := mock.NewKey("old")
		doc["oldKeys"] = []any{oldKey(old, time.Now(), false)}
		return mock.Encode(mock.SignKeys(doc, old))
	})
}

func keysWhose(t *suite.T) {
	keysOf(t, "another server's document", false, func(p *peer, doc mock.Object) string {
		doc["serverName"] = "else." + p.Name
		return mock.Encode(mock.SignKeys(doc, p.Key))
	})
	keysOf(t, "a document from seven minutes ahead", false, func(p *peer, doc mock.Object) string {
		doc["time"] = time.Now().Add(7 * time.Minute).UnixMilli()
		return mock.Encode(mock.SignKeys(doc, p.Key))
	})
}

// keysOlder waits out the minute in which a server is not asked again.
func keysOlder(t *suite.T) {
	p := newPeer(t)
	p.pings()
	next := mock.NewKey("m2")
	doc := mock.Keys(p.Name, time.Now().Add(-time.Hour), p.Key, next)
	p.Handle(mock.KeysPath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Reply(w, mock.SignKeys(doc, p.Key, next)) })
	t.Pause(61 * time.Second)
	p.signedWith("a key of an older document", func(s *mock.Signed) { s.Key = next })
	p.pings()
	t.Expect(p.visits(mock.KeysPath) == 2, "the keys were asked %d times, want 2", p.visits(mock.KeysPath))
	p.done()
}

func keysWeak(t *suite.T) {
	for what, point := range map[string][]byte{
		"the neutral element": append([]byte{1}, make([]byte, 31)...),
		"a point of order two": func() []byte {
			raw := make([]byte, 32)
			for i := range raw {
				raw[i] = 0xff
			}
			raw[0], raw[31] = 0xec, 0x7f
			return raw
		}(),
		"a point of order four": make([]byte, 32),
		"a coordinate beyond the field": func() []byte {
			raw := make([]byte, 32)
			for i := range raw {
				raw[i] = 0xff
			}
			raw[0], raw[31] = 0xf0, 0x7f
			return raw
		}(),
		"31 bytes": make([]byte, 31),
	} {
		keysOf(t, what+" among the old keys", false, func(p *peer, doc mock.Object) string {
			weak := oldKey(mock.NewKey("weak"), time.Now(), false)
			weak["key"] = mock.Base64(point)
			doc["oldKeys"] = []any{weak}
			return mock.Encode(mock.SignKeys(doc, p.Key))
		})
	}
}

func keysLife(t *suite.T) {
	now := time.Now()
	signer := mock.NewKey("signer")
	doc := func(change func(key mock.Object)) func(*peer, mock.Object) string {
		return func(p *peer, doc mock.Object) string {
			change(doc["keys"].([]any)[0].(mock.Object))
			doc["keys"] = append(doc["keys"].([]any), signer.Entry(time.UnixMilli(0), now.Add(time.Hour)))
			return mock.Encode(mock.SignKeys(doc, signer))
		}
	}
	keysOf(t, "a key that ended an hour ago", false, doc(func(k mock.Object) { k["validUntil"] = now.Add(-time.Hour).UnixMilli() }))
	keysOf(t, "a key that begins in an hour", false, doc(func(k mock.Object) { k["validFrom"] = now.Add(time.Hour).UnixMilli() }))
	keysOf(t, "a key that is an old one", false, func(p *peer, doc mock.Object) string {
		doc["keys"] = []any{signer.Entry(time.UnixMilli(0), now.Add(time.Hour))}
		doc["oldKeys"] = []any{oldKey(p.Key, now.Add(time.Hour), false)}
		return mock.Encode(mock.SignKeys(doc, signer))
	})
	keysOf(t, "a key that was revoked", false, func(p *peer, doc mock.Object) string {
		doc["keys"] = []any{signer.Entry(time.UnixMilli(0), now.Add(time.Hour))}
		doc["oldKeys"] = []any{oldKey(p.Key, now.Add(time.Hour), true)}
		return mock.Encode(mock.SignKeys(doc, signer))
	})
}

func keysRarely(t *suite.T) {
	p := newPeer(t)
	for i := range 6 {
		p.signedWith("a key that is not published", func(s *mock.Signed) { s.Key = mock.NewKey(fmt.Sprint("none", i)) })
	}
	p.pings()
	t.Expect(p.visits(mock.KeysPath) == 1, "six key ids made the server ask for keys %d times, want once in a minute", p.visits(mock.KeysPath))
	p.done()
}

func keysOnce(t *suite.T) {
	p := newPeer(t)
	release := make(chan struct{})
	p.Handle(mock.KeysPath, func(w http.ResponseWriter, _ *mock.Visit) {
		<-release
		mock.Reply(w, mock.SignKeys(mock.Keys(p.Name, time.Now(), p.Key), p.Key))
	})
	const many = 12
	answers := make([]*mock.Answer, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { answers[i], _ = p.Send(t.Context(), p.ping()) })
	}
	t.Eventually(10*time.Second, "the server asks for keys", func() bool { return p.visits(mock.KeysPath) > 0 })
	close(release)
	all.Wait()
	t.Expect(p.visits(mock.KeysPath) == 1, "%d requests made the server ask for keys %d times", many, p.visits(mock.KeysPath))
	for _, a := range answers {
		t.Expect(a != nil && (a.Status == http.StatusOK || a.Status == http.StatusTooManyRequests), "a request that waited for keys is not answered with 200")
	}
}
