// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func recorded(t *testing.T, typ string, content []byte) frame.Event {
	t.Helper()
	e := &Event{
		ConversationID: "c1", Seq: 4, HubTime: 1000, MessageID: id.NewMessage(1000, 4, [32]byte{1}), Type: typ,
		Sender: "a@x", Device: "D", TempID: "t", Content: content,
	}
	out, err := e.Record()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func envelope(typ string) frame.Event {
	return frame.Event{
		ConversationID: "c1", Seq: 4, MessageID: id.NewMessage(1000, 4, [32]byte{1}).String(), Type: typ,
		SenderID: "a@x", DeviceID: "D", TempID: "t", Timestamp: 1000, Status: "sent",
	}
}

func TestRecord_OfAMessageCarriesEveryContentField(t *testing.T) {
	content, err := event.MessageContent(frame.Send{
		Content: "hi \"there\" \u2028 é", ContentType: "text", MediaURL: "m", ReplyToMessageID: "r", EncryptedContent: "e",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := envelope(frame.TypeMessage)
	want.Content, want.ContentType, want.MediaURL = "hi \"there\" \u2028 é", "text", "m"
	want.ReplyToMessageID, want.EncryptedContent = "r", "e"
	if diff := cmp.Diff(want, recorded(t, frame.TypeMessage, content)); diff != "" {
		t.Error(diff)
	}
}

func TestRecord_OfAStateEventCarriesTheChange(t *testing.T) {
	for typ, change := range map[string]frame.Change{
		frame.TypeRename:       {Name: "n"},
		frame.TypeMemberRemove: {UserIDs: []string{"b@x"}},
		frame.TypeMemberRole:   {UserIDs: []string{"b@x"}, Role: Admin},
		frame.TypeMemberLeave:  {},
	} {
		content, err := event.ChangeContent(change)
		if err != nil {
			t.Fatal(err)
		}
		want := envelope(typ)
		want.Change = &change
		if diff := cmp.Diff(want, recorded(t, typ, content)); diff != "" {
			t.Errorf("%s: %s", typ, diff)
		}
	}
}

func TestRecord_OfMemberAddTellsTheRoleTheFoldGives(t *testing.T) {
	content, err := event.ChangeContent(frame.Change{UserIDs: []string{"b@x"}})
	if err != nil {
		t.Fatal(err)
	}
	want := envelope(frame.TypeMemberAdd)
	want.Change = &frame.Change{UserIDs: []string{"b@x"}, Role: Simple}
	if diff := cmp.Diff(want, recorded(t, frame.TypeMemberAdd, content)); diff != "" {
		t.Error(diff)
	}
}

func TestRecord_OfCreateTellsTypeNameAndMembers(t *testing.T) {
	content, err := event.Create{
		Creators: []id.User{"a@x"}, Hub: "x", Members: []id.User{"a@x", "b@x"}, Name: "n", Type: event.Group,
	}.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	want := envelope(frame.TypeCreate)
	want.Change = &frame.Change{ConversationType: event.Group, Name: "n", UserIDs: []string{"a@x", "b@x"}}
	if diff := cmp.Diff(want, recorded(t, frame.TypeCreate, content)); diff != "" {
		t.Error(diff)
	}
}

func TestRecord_OfAnErasedEventIsItsEnvelope(t *testing.T) {
	if diff := cmp.Diff(envelope(frame.TypeMessage), recorded(t, frame.TypeMessage, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestRecord_OfForeignContentFailsAndNamesThePlaceOnly(t *testing.T) {
	for _, typ := range []string{frame.TypeMessage, frame.TypeCreate, frame.TypeRename} {
		e := &Event{ConversationID: "c1", Seq: 4, Type: typ, Content: []byte(`"secret`)}
		_, err := e.Record()
		if err == nil || !strings.Contains(err.Error(), "c1 seq 4") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", typ, err)
		}
	}
}

// FuzzRecord_PlainContentReadsAsADecoderReadsIt compares the short way with encoding/json.
func FuzzRecord_PlainContentReadsAsADecoderReadsIt(f *testing.F) {
	for _, s := range []string{
		`{"content":"hi","contentType":"text"}`, `{"content":"é","content":"b"}`, `{"content":"a","x":"y"}`, `{}`, `{"`,
		`{"content":"a",}`, `{"content":"a"}}`, `{"content":"a"} `, `{"content":1}`, `{"content":"\n"}`, "{\"content\":\"\xff\"}",
		`{"content":"a";"mediaUrl":"b"}`, `{"content","a"}`, `{"Content":"a"}`, "{\"content\":\"\x1f\"}", `[`, ``, `{"content":"a"`,
		`{"encryptedContent":"e","mediaUrl":"m","replyToMessageId":"r"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got frame.Event
		if !fillPlain(&got, s) {
			return
		}
		var m frame.Send
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			t.Fatalf("%q was read though it is no JSON: %v", s, err)
		}
		want := frame.Event{
			Content: m.Content, ContentType: m.ContentType, MediaURL: m.MediaURL,
			ReplyToMessageID: m.ReplyToMessageID, EncryptedContent: m.EncryptedContent,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", s, diff)
		}
	})
}

func TestRecord_ContentOfEveryShapeReadsAlike(t *testing.T) {
	for content, want := range map[string]string{
		`{"content":"plain","contentType":"text"}`:            "plain",
		`{"content":"es\u0063aped","contentType":"text"}`:     "escaped",
		`{ "content" : "spaced" , "contentType" : "text" }`:   "spaced",
		`{"content":"more","contentType":"text","later":[1]}`: "more",
	} {
		got := recorded(t, frame.TypeMessage, []byte(content))
		if got.Content != want || got.ContentType != "text" {
			t.Errorf("%s: got %q of type %q", content, got.Content, got.ContentType)
		}
	}
}

func BenchmarkRecord_Message(b *testing.B) {
	e := &Event{
		ConversationID: "c1", Seq: 4, Type: frame.TypeMessage, Sender: "a@x", Device: "D", TempID: "t",
		Content: []byte(`{"content":"a message of some length, as people write them","contentType":"text"}`),
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Record(); err != nil {
			b.Fatal(err)
		}
	}
}
