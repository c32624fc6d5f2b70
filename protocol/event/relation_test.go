// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"parley.chat/protocol/event"
)

func TestIsEmoji_IsOneCharacterAsPeopleSeeIt(t *testing.T) {
	for _, s := range []string{
		"\U0001F44D", "\U0001F44D\U0001F3FD", "\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001F1E9\U0001F1EA", "x", "\u00e9", "e\u0301",
		"\U0001F468\u200d\U0001F469\u200d\U0001F467", "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F",
	} {
		if !event.IsEmoji(s) {
			t.Errorf("%q (%d bytes) is refused", s, len(s))
		}
	}
	for _, s := range []string{
		"", "ab", " ", "\u00a0", "\n", "\x00", "\u202e", "\u200d", "\u200b", "\ufe0f", "\u0301", "\U0001F44D\U0001F44D", "\U0001F44D\u200d", "\xff",
		"\U0001F1E9\U0001F1EA\U0001F1E9", "a\u202eb", "\U0001F44D ", "a\u200d ", "\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\U0001F44D\u200d\u3164", "\u3164\u0301", "\ue000", "x" + strings.Repeat("\u0301", 16),
	} {
		if event.IsEmoji(s) {
			t.Errorf("%q is taken", s)
		}
	}
}

func FuzzIsEmoji(f *testing.F) {
	f.Add("\U0001F468\u200d\U0001F469")
	f.Add("\u202ex")
	f.Fuzz(func(t *testing.T, s string) {
		if !event.IsEmoji(s) {
			return
		}
		if len(s) > event.MaxEmoji || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.ContainsFunc(s, unicode.IsSpace) {
			t.Errorf("%q is taken", s)
		}
	})
}

func TestRelation_IsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := event.Relation{
			Action: text.Draw(t, "action"), Content: text.Draw(t, "content"), ContentType: text.Draw(t, "type"), Emoji: text.Draw(t, "emoji"),
			Mentions: rapid.SliceOfN(text, 0, 3).Draw(t, "mentions"), TargetMessageID: text.Draw(t, "target"),
		}
		raw, err := r.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		back, err := event.ParseRelation(raw)
		if diff := cmp.Diff(r, back, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v %s", raw, err, diff)
		}
	})
	for _, bad := range []string{``, `{}`, `{"targetMessageId":1}`, `{"targetMessageId":"x","more":1}`, `{"emoji":"","targetMessageId":"x"}`} {
		if _, err := event.ParseRelation([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
