// SPDX-License-Identifier: Apache-2.0

package submission_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/core/submission"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const (
	alice = id.User("alice@a.test")
	bob   = id.User("bob@b.test")
)

var (
	conv   = id.NewConversation([32]byte{1})
	target = id.NewMessage(1_795_400_000_000, 7, [32]byte{2}).String()
)

func of(typ string) event.Submission {
	return event.Submission{ConversationID: conv, Sender: bob, DeviceID: "01J9ZK3V8Q2M6T4R7X5W1Y0ABC", TempID: "t1", Type: typ, AuthorTime: 5}
}

func must(t *testing.T, content []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestRead_MakesTheCommandOfAnOperation(t *testing.T) {
	seq := int64(3)
	text := frame.Send{Content: "hi", ContentType: "text", Mentions: []string{string(alice)}, ReplyToMessageID: target}
	raw, err := event.MessageContent(text)
	cmd, err := submission.Read(of(frame.TypeMessage), must(t, raw, err), "")
	if err != nil || cmd.ConversationID != conv || cmd.TempID != "t1" || cmd.AuthorTime != 5 || cmd.Sender != bob || cmd.Device == "" {
		t.Errorf("a message is %+v, %v", cmd, err)
	}
	if diff := cmp.Diff(text.Mentions, cmd.Mentions); diff != "" {
		t.Error(diff)
	}

	raw, err = event.Relation{Action: "add", Emoji: "👍", TargetMessageID: target}.Canonical()
	cmd, err = submission.Read(of(frame.TypeReaction), must(t, raw, err), "")
	if err != nil || cmd.Emoji != "👍" || cmd.Action != "add" || cmd.About.String() != target {
		t.Errorf("a reaction is %+v, %v", cmd, err)
	}

	raw, err = event.ChangeContent(frame.Change{Name: "news"})
	sub := of(frame.TypeRename)
	sub.Expects = &seq
	cmd, err = submission.Read(sub, must(t, raw, err), "")
	if err != nil || cmd.Change.Name != "news" || cmd.Expects == nil || *cmd.Expects != 3 {
		t.Errorf("a rename is %+v, %v", cmd, err)
	}

	create := event.NewDirect(alice, bob)
	raw, err = create.Canonical()
	sub = of(frame.TypeCreate)
	sub.ConversationID = event.ConversationID(must(t, raw, err))
	cmd, err = submission.Read(sub, raw, "")
	if err != nil || cmd.Create.Hub != "a.test" {
		t.Errorf("a create is %+v, %v", cmd, err)
	}
}

func TestRead_TakesTheSecretOfALink(t *testing.T) {
	secret := make([]byte, conversation.LinkSecretSize)
	raw, err := event.ChangeContent(frame.Change{LinkID: canonical.EncodeBase64(secret)})
	must(t, raw, err)
	cmd, err := submission.Read(of(frame.TypeMemberJoin), raw, canonical.EncodeBase64(secret))
	if err != nil || cmd.SecretHash != conversation.SecretHash(secret) {
		t.Errorf("joining is %+v, %v", cmd, err)
	}
	for _, bad := range []string{"x", "AAAA", canonical.EncodeBase64(append(secret, 0))} {
		if _, err := submission.Read(of(frame.TypeMemberJoin), raw, bad); !fault.Is(err, fault.InvalidField) {
			t.Errorf("secret %q: %v", bad, err)
		}
	}
}

func TestRead_RefusesWhatNoOperationMakes(t *testing.T) {
	about := `"targetMessageId":"` + target + `"`
	for _, c := range []struct{ name, typ, content string }{
		{"no object", frame.TypeMessage, `"x"`},
		{"not canonical", frame.TypeMessage, `{"contentType":"text", "content":"x"}`},
		{"a duplicate", frame.TypeMessage, `{"content":"x","content":"y","contentType":"text"}`},
		{"no content type", frame.TypeMessage, `{"content":"x"}`},
		{"an unknown content type", frame.TypeMessage, `{"content":"x","contentType":"poll"}`},
		{"nothing in it", frame.TypeMessage, `{"contentType":"text"}`},
		{"a number for a text", frame.TypeMessage, `{"content":1,"contentType":"text"}`},
		{"an unknown member", frame.TypeMessage, `{"content":"x","contentType":"text","x":1}`},
		{"a member of the frame", frame.TypeMessage, `{"content":"x","contentType":"text","tempId":"t"}`},
		{"another case", frame.TypeMessage, `{"Content":"x","contentType":"text"}`},
		{"an empty member", frame.TypeMessage, `{"content":"x","contentType":"text","mediaUrl":""}`},
		{"a script for media", frame.TypeMessage, `{"contentType":"image","mediaUrl":"javascript:alert(1)"}`},
		{"media of no scheme", frame.TypeMessage, `{"contentType":"image","mediaUrl":"//evil.test/x"}`},
		{"a reply to nothing", frame.TypeMessage, `{"content":"x","contentType":"text","replyToMessageId":"x"}`},
		{"an empty edit", frame.TypeEdit, `{"contentType":"text",` + about + `}`},
		{"an edit with an emoji", frame.TypeEdit, `{"content":"x","contentType":"text","emoji":"x",` + about + `}`},
		{"a delete with content", frame.TypeDelete, `{"content":"x",` + about + `}`},
		{"a delete of nothing", frame.TypeDelete, `{"targetMessageId":"x"}`},
		{"a reaction with mentions", frame.TypeReaction, `{"action":"add","emoji":"x","mentions":["all"],` + about + `}`},
		{"a rename with a role", frame.TypeRename, `{"name":"x","role":"owner"}`},
		{"leaving for another", frame.TypeMemberLeave, `{"userIds":["alice@a.test"]}`},
		{"a ban with settings", frame.TypeMemberBan, `{"slowMode":1,"userIds":["alice@a.test"]}`},
		{"a pin of nothing", frame.TypePin, `{}`},
		{"an unknown type", "hub_steal", `{}`},
		{"another conversation", frame.TypeCreate, `{"creators":["alice@a.test"],"hub":"a.test","members":["alice@a.test"],"nonce":"AAAAAAAAAAAAAAAAAAAAAA","type":"group","v":1}`},
	} {
		if cmd, err := submission.Read(of(c.typ), []byte(c.content), ""); err == nil {
			t.Errorf("%s was read as %+v", c.name, cmd)
		}
	}
}

func TestRead_BoundsTempIDContentAndExpects(t *testing.T) {
	raw, err := event.MessageContent(frame.Send{Content: "x", ContentType: "text"})
	must(t, raw, err)
	for _, tempID := range []string{"a b", "é", strings.Repeat("x", 65), "\x00"} {
		sub := of(frame.TypeMessage)
		sub.TempID = tempID
		if _, err := submission.Read(sub, raw, ""); !fault.Is(err, fault.InvalidField) {
			t.Errorf("tempId %q: %v", tempID, err)
		}
	}
	sub := of(frame.TypeMessage)
	sub.Expects = new(int64)
	if _, err := submission.Read(sub, raw, ""); !fault.Is(err, fault.InvalidField) {
		t.Errorf("a message that expects a state: %v", err)
	}
	long := []byte(`{"content":"` + strings.Repeat("x", submission.MaxContent) + `","contentType":"text"}`)
	if _, err := submission.Read(of(frame.TypeMessage), long, ""); !fault.Is(err, fault.ContentTooLarge) {
		t.Errorf("long content: %v", err)
	}
}

// FuzzRead wants that whatever is accepted is what the encoders of protocol/event make, and can be shown.
func FuzzRead(f *testing.F) {
	about := `"targetMessageId":"` + target + `"`
	for typ, content := range map[string]string{
		frame.TypeMessage: `{"content":"x","contentType":"text"}`, frame.TypeEdit: `{"content":"x","contentType":"text",` + about + `}`,
		frame.TypeReaction: `{"action":"add","emoji":"x",` + about + `}`, frame.TypeDelete: `{` + about + `}`,
		frame.TypeRename: `{"name":"x"}`, frame.TypeMemberAdd: `{"userIds":["alice@a.test"]}`, frame.TypeSettings: `{"slowMode":5}`,
		frame.TypeLinkCreate: `{"linkId":"x","secretHash":"y"}`, frame.TypeMemberLeave: `{}`,
	} {
		f.Add(typ, content, "")
	}
	f.Fuzz(func(t *testing.T, typ, content, secret string) {
		sub := of(typ)
		cmd, err := submission.Read(sub, []byte(content), secret)
		if err != nil {
			if fault.From(err).Code == fault.Internal {
				t.Errorf("the refusal is no fault of the catalogue: %v", err)
			}
			return
		}
		e := conversation.Event{ConversationID: sub.ConversationID, Seq: 9, Type: typ, Sender: sub.Sender, Content: cmd.Content}
		if _, err := e.Record(); err != nil {
			t.Errorf("what was accepted cannot be shown: %v", err)
		}
	})
}
