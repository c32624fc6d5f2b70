// SPDX-License-Identifier: Apache-2.0

package account

import (
	"crypto/sha256"
	"strings"
	"testing"

	"parley.chat/protocol/id"
)

func TestToken_TellsItsShardAndHash(t *testing.T) {
	for _, s := range []id.Shard{0, 1, 255, 256, 65535} {
		text, h := newToken(accessPrefix, s)
		got, gotHash, ok := parseToken(accessPrefix, text, 65536)
		if !ok || got != s || gotHash != h || h != sha256.Sum256([]byte(text)) || len(text) != 49 {
			t.Errorf("%s: shard %d, %v", text, got, ok)
		}
	}
	a, _ := newToken(accessPrefix, 1)
	b, _ := newToken(accessPrefix, 1)
	if a == b || a[:5] != b[:5] {
		t.Errorf("%s and %s", a, b)
	}
}

func TestToken_HasOneSpelling(t *testing.T) {
	text, _ := newToken(accessPrefix, 3)
	respelt := []byte(text) // The last character carries two bits; the other four are zero.
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/" {
		respelt[len(respelt)-1] = byte(c)
		if _, _, ok := parseToken(accessPrefix, string(respelt), 4); ok && !strings.ContainsRune("AQgw", c) {
			t.Errorf("took the spelling %s", respelt)
		}
	}
	for _, bad := range []string{text + "=", " " + text, text + "\n", text[:10] + "\n" + text[10:], strings.ToUpper(text[:3]) + text[3:], text[3:]} {
		if _, _, ok := parseToken(accessPrefix, bad, 4); ok {
			t.Errorf("took %q", bad)
		}
	}
}

func TestToken_OfAShardThatIsNotThere(t *testing.T) {
	text, _ := newToken(accessPrefix, 4)
	if _, _, ok := parseToken(accessPrefix, text, 4); ok {
		t.Error("took a token of shard 4 of 4")
	}
}

func FuzzParseToken(f *testing.F) {
	text, _ := newToken(accessPrefix, 7)
	f.Add(text)
	f.Add("pa_")
	f.Add("pa_" + strings.Repeat("_", 46))
	f.Add("pr_" + text[3:])
	f.Fuzz(func(t *testing.T, text string) {
		s, _, ok := parseToken(accessPrefix, text, 8)
		if ok && (len(text) != 49 || s < 0 || s > 7 || !strings.HasPrefix(text, accessPrefix)) {
			t.Errorf("took %q of shard %d", text, s)
		}
	})
}

func FuzzParsePhone(f *testing.F) {
	for _, s := range []string{"+16502530000", "+49 30 123456", "+", "+1;ext=5", "+1-800-FLOWERS", "tel:+1", "+٣٣٣٣٣٣٣٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParsePhone(s)
		if err != nil {
			return
		}
		if len(got) > maxE164 || got[0] != '+' || strings.Trim(got[1:], "0123456789") != "" {
			t.Errorf("%q became %q", s, got)
		}
		if again, err := ParsePhone(got); err != nil || again != got {
			t.Errorf("%q, then %q, %v", got, again, err)
		}
	})
}
