// SPDX-License-Identifier: Apache-2.0

package mock_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"parley.chat/conformance/mock"
)

type requestVectors struct {
	Receiver string
	Key      struct{ Server, KeyID, PrivateKey, PublicKey string }
	Tests    []struct {
		ID, Comment, Result, Method, Target, Host, Body, SigningString string
		Headers                                                        [][2]string
		Now                                                            int64
	}
}

func TestJudge_TakesWhatTheVectorsTake(t *testing.T) {
	v := vectors[requestVectors](t, "federation/requests.json")
	find := func(server, keyID string, _ int64) ([]byte, error) {
		if server != v.Key.Server || keyID != v.Key.KeyID {
			return nil, errors.New("no such key")
		}
		return unhex(t, v.Key.PublicKey), nil
	}
	for _, c := range v.Tests {
		r := &mock.Request{Method: c.Method, Target: c.Target, Host: c.Host, Header: c.Headers, Body: []byte(c.Body)}
		origin, err := mock.Judge(r, v.Receiver, time.Unix(c.Now, 0), find)
		if (err == nil) != (c.Result == "valid") || err == nil && origin != v.Key.Server {
			t.Errorf("%s (%s): %q %v, want %s", c.ID, c.Comment, origin, err, c.Result)
		}
	}
}

func TestSign_MakesTheGoodVectorsAgain(t *testing.T) {
	v := vectors[requestVectors](t, "federation/requests.json")
	key := mock.Key{ID: v.Key.KeyID, Private: ed25519.NewKeyFromSeed(unhex(t, v.Key.PrivateKey))}
	made := 0
	for _, c := range v.Tests {
		if c.Result != "valid" {
			continue
		}
		made++
		want := &mock.Request{Header: c.Headers}
		_, rest, _ := strings.Cut(want.Get("Signature"), "created=")
		created := int64(0)
		for _, digit := range rest[:10] {
			created = created*10 + int64(digit-'0')
		}
		got := mock.Signed{Key: key, Origin: v.Key.Server, Destination: v.Receiver, Created: created, Nonce: want.Get("X-Parley-Nonce")}.Sign(c.Method, c.Target, []byte(c.Body))
		for _, name := range []string{"Signature", "Digest", "X-Parley-Origin", "X-Parley-Destination"} {
			if got.Get(name) != want.Get(name) {
				t.Errorf("%s: %s is %q, want %q", c.ID, name, got.Get(name), want.Get(name))
			}
		}
	}
	if made < 3 {
		t.Errorf("only %d good vectors", made)
	}
}

type keyVectors struct {
	Server string
	Tests  []struct{ ID, Comment, Result, Input string }
}

func TestReadKeys_TakesWhatTheVectorsTake(t *testing.T) {
	v := vectors[keyVectors](t, "federation/keys.json")
	for _, c := range v.Tests {
		_, err := mock.ReadKeys([]byte(c.Input), v.Server)
		if (err == nil) != (c.Result == "valid") {
			t.Errorf("%s (%s): %v, want %s", c.ID, c.Comment, err, c.Result)
		}
	}
}

func TestKeys_AreReadAgain(t *testing.T) {
	now := time.Now()
	a, b := mock.NewKey("a"), mock.NewKey("b")
	doc := mock.SignKeys(mock.Keys("mock.test", now, a, b), b)
	ring, err := mock.ReadKeys([]byte(mock.Encode(doc)), "mock.test")
	if err != nil {
		t.Fatal(err)
	}
	public, err := ring.RequestKey(b.ID, now.UnixMilli())
	if err != nil || mock.Base64(public) != b.Public() {
		t.Errorf("%x %v", public, err)
	}
	if _, err := ring.RequestKey(b.ID, now.Add(25*time.Hour).UnixMilli()); err == nil {
		t.Error("a key past its life is given")
	}
	doc["signatures"] = []any{}
	if _, err := mock.ReadKeys([]byte(mock.Encode(doc)), "mock.test"); err == nil {
		t.Error("a document without signatures is read")
	}
}

func TestCheckPoint_RefusesWhatIsNoKey(t *testing.T) {
	key := mock.NewKey("a").Private.Public().(ed25519.PublicKey)
	if err := mock.CheckPoint(key); err != nil {
		t.Error(err)
	}
	identity := append([]byte{1}, make([]byte, 31)...)
	signed := slices.Clone(identity)
	signed[31] = 0x80
	beyond := append([]byte{0xee}, slices.Repeat([]byte{0xff}, 31)...)
	beyond[31] = 0x7f
	for what, raw := range map[string][]byte{
		"short": key[:31], "zero": make([]byte, 32), "the neutral element": identity, "the neutral element with a sign": signed, "beyond the field": beyond,
		"of order eight": unhex(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
	} {
		if mock.CheckPoint(raw) == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
