// SPDX-License-Identifier: Apache-2.0

package frame_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/frame"
)

// encode is what encoding/json makes of v when it leaves HTML alone.
func encode(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// message is a usual message of 150 bytes.
func message() *frame.Event {
	return &frame.Event{
		ConversationID: "cq83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJAA",
		Seq:            123456,
		MessageID:      "01KBNZ8Y9S0000003REQT3ZC1B",
		Type:           frame.TypeMessage,
		SenderID:       "alice@example.org",
		DeviceID:       "01J9ZK3V8Q2M6T4R7X5W1Y0ABC",
		TempID:         "6f1c2a1e-55b4-4a65-9d5d-0c3a1f6a2b11",
		Timestamp:      1790000000000,
		Status:         "sent",
		Content:        strings.Repeat("See you at nine. ", 9)[:150],
		ContentType:    "text",
	}
}

func checkEvent(t *testing.T, e *frame.Event) {
	t.Helper()
	got := string(frame.AppendEvent(nil, e))
	if want := encode(t, e); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	std, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var a, b frame.Event
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal(std, &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("decodes to another event: -want +got\n%s", diff)
	}
}

func TestAppendEvent_EqualsEncodingJSON(t *testing.T) {
	all := message()
	all.MediaURL, all.ReplyToMessageID, all.EncryptedContent = "https://m.example.org/1?a=1&b=2", "01KB", "AAEC"
	all.TargetMessageID = "01KC"
	all.Change = &frame.Change{ConversationType: "group", Name: "Team", UserIDs: []string{"a@b", "c@d"}, Role: "admin"}
	timer, empty, yes := int64(86400), "", true
	all.TargetMessageID, all.Emoji, all.Action, all.Mentions, all.IsForwarded = "01KC", "<\u2028>", "add", []string{"all", "a@b"}, true
	all.ExpiresAt, all.EditedAt, all.DeletedAt, all.DeletedBy, all.ChangedSeq = 1, 2, 3, "a@b", 4
	all.Reactions = []frame.Reaction{{Emoji: "x", Count: 2, UserIDs: []string{"a@b", "c@d"}, IsOwn: true}, {Emoji: "y", UserIDs: []string{}}, {}}
	for name, e := range map[string]*frame.Event{
		"a message":        message(),
		"nothing set":      {},
		"a deleted one":    {DeletedAt: -1},
		"a reaction":       {Emoji: "x"},
		"a forwarded one":  {IsForwarded: true},
		"reactions alone":  {Reactions: []frame.Reaction{{Emoji: "x", Count: 1 << 62}}},
		"every field":      all,
		"extreme integers": {Seq: 1<<63 - 1, Timestamp: -1 << 63},
		"an empty change":  {Change: &frame.Change{}},
		"a rename":         {Type: frame.TypeRename, Change: &frame.Change{Name: `"x"`}},
		"a role":           {Type: frame.TypeMemberRole, Change: &frame.Change{UserIDs: []string{"a@b"}, Role: "owner"}},
		"no users":         {Change: &frame.Change{UserIDs: []string{}, Role: "owner"}},
		"settings": {Type: frame.TypeSettings, Change: &frame.Change{Description: &empty, AvatarURL: &all.MediaURL, EphemeralTimer: &timer,
			Permissions: map[string]string{"send": "admin", "pin": "<b>"}, HistoryVisibility: "shared", SlowMode: &timer, ServerSearch: &yes}},
		"a link":     {Type: frame.TypeLinkCreate, Change: &frame.Change{LinkID: "l", ExpiresAt: 1, MaxUses: 2, NeedsApproval: true, SecretHash: "never shown"}},
		"only users": {Change: &frame.Change{UserIDs: []string{"", "<b>"}}},
	} {
		t.Run(name, func(t *testing.T) { checkEvent(t, e) })
	}
}

func TestAppendEvent_EqualsEncodingJSONForEveryCharacter(t *testing.T) {
	for c := range 256 {
		// At every place of the eight bytes that are looked at together.
		for at := range 17 {
			text := []byte("abcdefghijklmnopq")
			text[at] = byte(c)
			checkEvent(t, &frame.Event{Content: string(text)})
		}
	}
	for _, s := range []string{
		"\u2027\u2028\u2029\u202a", "\ufffd", "\ufffe\uffff", "\U0001F600\U0010FFFF", "e\u0301\u00e9",
		"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\xe2\x80", "tail\xe2", "\xe2\"", "<script>&amp;</script>",
		strings.Repeat("\x01", 5000), strings.Repeat("\\\"", 300),
	} {
		checkEvent(t, &frame.Event{Content: s, SenderID: s, Change: &frame.Change{UserIDs: []string{s}}})
	}
}

func TestAppendEvent_KeepsWhatStandsBefore(t *testing.T) {
	e := message()
	buf := append(make([]byte, 0, 4096), "before "...)
	got := frame.AppendEvent(buf, e)
	if string(got) != "before "+encode(t, e) {
		t.Errorf("got %s", got)
	}
	if &got[0] != &buf[0] {
		t.Error("a buffer with room was not used")
	}
}

func TestAppendFrame_IsTypeThenData(t *testing.T) {
	type wire struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	for _, c := range []struct{ typ, data string }{
		{frame.MessageReceived, `{"seq":1}`},
		{"odd \"type\" \x01", `[1,2]`},
		{frame.Resync, `null`},
	} {
		got := string(frame.AppendFrame([]byte("x"), c.typ, []byte(c.data)))
		if want := "x" + encode(t, wire{c.typ, json.RawMessage(c.data)}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAppendFrame_EmptyDataIsAnEmptyObject(t *testing.T) {
	if got, want := string(frame.AppendFrame(nil, "sync", nil)), `{"type":"sync","data":{}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAppendEvent_AllocatesAtMostOnce(t *testing.T) {
	e := message()
	if n := testing.AllocsPerRun(100, func() { frame.AppendEvent(nil, e) }); n > 1 {
		t.Errorf("%v allocations into no buffer", n)
	}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { frame.AppendEvent(buf, e) }); n != 0 {
		t.Errorf("%v allocations into a buffer with room", n)
	}
}

func FuzzAppendEvent(f *testing.F) {
	f.Add("text", "alice@example.org", int64(1), true)
	f.Add("\xff\u2028<&>\"\\\x00", "", int64(-1), false)
	f.Fuzz(func(t *testing.T, text, other string, n int64, change bool) {
		e := &frame.Event{ConversationID: other, Seq: n, MessageID: text, SenderID: other, TempID: text, Timestamp: -n,
			Content: text, MediaURL: other, EncryptedContent: text + other}
		if change {
			e.Change = &frame.Change{Name: text, UserIDs: []string{other, text}, Role: other}
		}
		checkEvent(t, e)
	})
}

func FuzzAppendFrame(f *testing.F) {
	f.Add("sync", "cursor")
	f.Add("\"\xe2\x80\xa8", "\x00")
	f.Fuzz(func(t *testing.T, typ, text string) {
		data := encode(t, text)
		got := frame.AppendFrame(nil, typ, []byte(data))
		want := encode(t, struct {
			Type string `json:"type"`
			Data string `json:"data"`
		}{typ, text})
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func BenchmarkAppendEvent(b *testing.B) {
	e := message()
	b.Run("fresh", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			frame.AppendEvent(nil, e)
		}
	})
	b.Run("reused", func(b *testing.B) {
		buf := make([]byte, 0, 4096)
		b.ReportAllocs()
		for b.Loop() {
			buf = frame.AppendEvent(buf[:0], e)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(e); err != nil {
				b.Fatal(err)
			}
		}
	})
}
