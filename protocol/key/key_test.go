// SPDX-License-Identifier: Apache-2.0

package key_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
)

const name id.Server = "example.org"

func pair(seed byte) (ed25519.PublicKey, ed25519.PrivateKey) {
	k := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return k.Public().(ed25519.PublicKey), k
}

// sample has two current keys and two old ones.
func sample() (key.Document, map[string]ed25519.PrivateKey) {
	d := key.Document{Server: name, Time: 1_795_400_000_000}
	private := map[string]ed25519.PrivateKey{}
	for seed := range byte(4) {
		p, k := pair(seed)
		one := key.Key{ID: key.ID(p), Public: p, From: int64(seed), Until: 1_796_000_000_000}
		if seed < 2 {
			d.Keys = append(d.Keys, one)
			private[one.ID] = k
		} else {
			one.IsOld, one.IsRevoked = true, seed == 3
			d.Old = append(d.Old, one)
		}
	}
	return d, private
}

func signed(t testing.TB) []byte {
	t.Helper()
	d, private := sample()
	raw, err := d.Sign(private)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestDocument_ComesBackAsItWasSigned(t *testing.T) {
	want, private := sample()
	got, err := key.Parse(signed(t), name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	delete(private, want.Keys[0].ID) // A node without the first key's file.
	raw, err := want.Sign(private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Parse(raw, name); err != nil {
		t.Errorf("signed by one of two: %v", err)
	}
}

func TestParse_RefusesEveryOtherSpelling(t *testing.T) {
	good := string(signed(t))
	swap := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%s is not in the document", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for what, raw := range map[string]string{
		"white space":        swap(`"v":1`, `"v": 1`),
		"another version":    swap(`"v":1`, `"v":2`),
		"an unknown member":  swap(`"v":1`, `"v":1,"x":1`),
		"a member missing":   swap(`"isRevoked":false,`, ``),
		"a member in caps":   swap(`"oldKeys"`, `"OLDKeys"`),
		"another time":       swap(`1795400000000`, `1795400000001`),
		"a key's life":       swap(`"validUntil":1796000000000`, `"validUntil":1797000000000`),
		"a revocation gone":  swap(`"isRevoked":true`, `"isRevoked":false`),
		"another name":       swap(`example.org`, `example.net`),
		"no signatures":      good[:strings.Index(good, `"signatures":[`)+14] + good[strings.Index(good, `],"time"`):],
		"the same one twice": good[:strings.Index(good, `"signatures":[`)+14] + signatureOf(good, 0) + "," + signatureOf(good, 0) + good[strings.Index(good, `],"time"`):],
		"another order":      good[:strings.Index(good, `"signatures":[`)+14] + signatureOf(good, 1) + "," + signatureOf(good, 0) + good[strings.Index(good, `],"time"`):],
		"trailing data":      good + "{}",
		"nothing":            "",
		"an array":           "[]",
	} {
		if _, err := key.Parse([]byte(raw), name); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	if _, err := key.Parse([]byte(good), "example.net"); err == nil {
		t.Error("the document of another server was taken")
	}
}

func signatureOf(doc string, n int) string {
	_, rest, _ := strings.Cut(doc, `"signatures":[`)
	list, _, _ := strings.Cut(rest, `]`)
	return strings.TrimSuffix(strings.Split(list, "},")[n], "}") + "}"
}

func TestSign_RefusesWhatParseWould(t *testing.T) {
	for what, change := range map[string]func(*key.Document){
		"no key":              func(d *key.Document) { d.Keys = nil },
		"nine keys":           func(d *key.Document) { d.Keys = append(d.Keys, make([]key.Key, 7)...) },
		"257 old keys":        func(d *key.Document) { d.Old = make([]key.Key, 257) },
		"an id twice":         func(d *key.Document) { d.Old[0].ID = d.Keys[0].ID },
		"an id without kind":  func(d *key.Document) { d.Keys[0].ID = "abc" },
		"a life backwards":    func(d *key.Document) { d.Keys[0].From = d.Keys[0].Until + 1 },
		"a short key":         func(d *key.Document) { d.Old[0].Public = d.Old[0].Public[:31] },
		"another private key": func(d *key.Document) { d.Keys[0].Public, d.Keys[1].Public = d.Keys[1].Public, d.Keys[0].Public },
	} {
		d, private := sample()
		change(&d)
		if _, err := d.Sign(private); err == nil {
			t.Errorf("%s was signed", what)
		}
	}
	d, _ := sample()
	if _, err := d.Sign(nil); err == nil {
		t.Error("signed without a key")
	}
}

func TestDocument_TheLargestIsWithinItsBounds(t *testing.T) {
	d := key.Document{Server: id.Server(strings.Repeat("a.", 100) + "example"), Time: 1 << 52}
	private := map[string]ed25519.PrivateKey{}
	for seed := range key.MaxCurrent + key.MaxOld {
		k := ed25519.NewKeyFromSeed(append(bytes.Repeat([]byte{9}, 30), byte(seed), byte(seed>>8)))
		p := k.Public().(ed25519.PublicKey)
		one := key.Key{ID: key.ID(p), Public: p, From: 1 << 52, Until: 1 << 52}
		if seed < key.MaxCurrent {
			d.Keys, private[one.ID] = append(d.Keys, one), k
		} else {
			one.IsOld = true
			d.Old = append(d.Old, one)
		}
	}
	raw, err := d.Sign(private)
	if err != nil || len(raw) > 64<<10 {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	if _, err := key.Parse(raw, d.Server); err != nil {
		t.Error(err)
	}
}

func TestCheckPublic_RefusesKeysThatFitEverything(t *testing.T) {
	good, _ := pair(1)
	if err := key.CheckPublic(good); err != nil {
		t.Error(err)
	}
	for what, text := range map[string]string{
		"the identity":                  "0100000000000000000000000000000000000000000000000000000000000000",
		"order 2":                       "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 4":                       "0000000000000000000000000000000000000000000000000000000000000000",
		"order 8":                       "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"the identity, other encoding":  "0100000000000000000000000000000000000000000000000000000000000080",
		"beyond the field":              "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"no point":                      "0200000000000000000000000000000000000000000000000000000000000000",
		"short":                         "01",
		"the seed of a private key too": strings.Repeat("ab", 64),
	} {
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if key.CheckPublic(raw) == nil {
			t.Errorf("%s was taken", what)
		}
	}
}

func TestKey_ItsLifeHasBothEnds(t *testing.T) {
	k := key.Key{From: 10, Until: 20}
	for at, want := range map[int64]bool{9: false, 10: true, 20: true, 21: false} {
		if k.Covers(at) != want || k.Signs(at) != want {
			t.Errorf("at %d", at)
		}
	}
	k.IsOld = true
	if !k.Covers(15) || k.Signs(15) {
		t.Error("an old key signs, or does not verify")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(signed(f))
	f.Add([]byte(`{"keys":[],"oldKeys":[],"serverName":"example.org","signatures":[],"time":0,"v":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := key.Parse(raw, name)
		if err != nil {
			return
		}
		for _, k := range append(d.Keys, d.Old...) {
			if key.CheckPublic(k.Public) != nil {
				t.Fatal("a bad key was taken")
			}
		}
	})
}
