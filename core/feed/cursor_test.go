// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func anyCursor(t *rapid.T) Cursor {
	c := newCursor()
	position := func() timeline.Position {
		return timeline.Position{Pos: rapid.Int64Range(0, 1<<62).Draw(t, "pos"), Mark: rapid.Int64Range(0, 1<<40).Draw(t, "mark")}
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.Int32Range(0, 255), 0, 64, rapid.ID).Draw(t, "shards") {
		c.at[id.Shard(n)] = position()
	}
	if rapid.Bool().Draw(t, "paging") {
		c.page = &place{shard: id.Shard(rapid.Int32Range(0, 255).Draw(t, "shard")), after: rapid.Int64Range(0, 1<<40).Draw(t, "after"), upto: position()}
	}
	return c
}

func TestCursor_RoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := anyCursor(rt)
		text := c.encode([]byte("realm"), alice)
		if len(text) > 4096 {
			rt.Fatalf("%d bytes", len(text))
		}
		got, err := decodeCursor(text, []byte("realm"), alice, 256)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(c, got, cmp.AllowUnexported(Cursor{}, place{})); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestCursor_OfAnotherIsInvalid(t *testing.T) {
	text := newCursor().encode([]byte("realm"), alice)
	for name, decode := range map[string]func() (Cursor, error){
		"another user":       func() (Cursor, error) { return decodeCursor(text, []byte("realm"), bob, 4) },
		"another deployment": func() (Cursor, error) { return decodeCursor(text, []byte("other"), alice, 4) },
		"padding":            func() (Cursor, error) { return decodeCursor(text+"=", []byte("realm"), alice, 4) },
		"cut":                func() (Cursor, error) { return decodeCursor(text[:len(text)-1], []byte("realm"), alice, 4) },
	} {
		if _, err := decode(); !fault.Is(err, fault.InvalidCursor) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCursor_EveryFlippedBitIsFound(t *testing.T) {
	c := newCursor()
	c.at[3] = timeline.Position{Pos: 77, Mark: 5}
	raw, err := base64.RawURLEncoding.DecodeString(c.encode([]byte("realm"), alice))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(raw) {
		bad := append([]byte(nil), raw...)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := decodeCursor(base64.RawURLEncoding.EncodeToString(bad), []byte("realm"), alice, 4); err == nil {
			t.Errorf("bit %d flipped is accepted", i)
		}
	}
}

func TestCursor_AShardThatDoesNotExistIsInvalid(t *testing.T) {
	c := newCursor()
	c.at[9] = timeline.Position{Pos: 1}
	if _, err := decodeCursor(c.encode(nil, alice), nil, alice, 4); !fault.Is(err, fault.InvalidCursor) {
		t.Errorf("decode = %v", err)
	}
}

func FuzzDecodeCursor(f *testing.F) {
	c := newCursor()
	c.at[1] = timeline.Position{Pos: 300, Mark: 2}
	f.Add(c.encode(nil, alice))
	f.Add("")
	f.Add("AA")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := decodeCursor(s, nil, alice, 4)
		if err != nil {
			if !fault.Is(err, fault.InvalidCursor) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if s != "" && got.encode(nil, alice) != s {
			t.Fatalf("%q has another spelling", s)
		}
	})
}
