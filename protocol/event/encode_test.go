// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// object is the JSON form of an object of the log, put together without its encoder.
type object map[string]any

// set adds a member unless its text is empty.
func (o object) set(key, text string) object {
	if text != "" {
		o[key] = text
	}
	return o
}

// same fails unless got is what Canonicalize makes of the JSON form.
func same(t *rapid.T, want object, got []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	form, err := canonical.Canonicalize(raw)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(form) {
		t.Errorf("got\n%s\nwant\n%s", got, form)
	}
}

var (
	text     = rapid.StringN(0, 40, -1)
	integer  = rapid.Int64Range(-canonical.MaxInt, canonical.MaxInt)
	hashes   = rapid.Custom(func(t *rapid.T) event.Hash { return event.Hash(bytesN(t, 32)) })
	userID   = rapid.StringMatching(`[a-z0-9._-]{1,64}@[a-z0-9]{1,8}\.example(:[1-9][0-9]{0,3})?`)
	messages = rapid.Custom(func(t *rapid.T) id.Message {
		return id.NewMessage(rapid.Int64Range(0, 1<<48-1).Draw(t, "time"), rapid.Int64Range(0, id.MaxSeq).Draw(t, "seq"),
			hashes.Draw(t, "submission"))
	})
)

func bytesN(t *rapid.T, n int) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "bytes") }

func b64(h event.Hash) string { return canonical.EncodeBase64(h[:]) }

func TestSubmission_CanonicalIsThatOfItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := event.Submission{
			AuthorTime: integer.Draw(t, "authorTime"), ContentHash: hashes.Draw(t, "contentHash"),
			ConversationID: id.Conversation(text.Draw(t, "conversation")), DeviceID: id.Device(text.Draw(t, "device")),
			Sender: id.User(text.Draw(t, "sender")), TempID: text.Draw(t, "tempId"), Type: text.Draw(t, "type"),
		}
		got, err := s.Canonical(nil)
		same(t, object{
			"authorTime": s.AuthorTime, "contentHash": b64(s.ContentHash), "conversationId": s.ConversationID,
			"deviceId": s.DeviceID, "sender": s.Sender, "tempId": s.TempID, "type": s.Type, "v": 1,
		}, got, err)
		hash, err := s.Hash(make([]byte, 3, 2000))
		if err != nil || hash != canonical.Hash("submission", got) {
			t.Errorf("hash %x, %v", hash, err)
		}
	})
}

func TestEntry_CanonicalIsThatOfItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := event.Entry{
			ConversationID: id.Conversation(text.Draw(t, "conversation")), Count: integer.Draw(t, "count"),
			HubTime: integer.Draw(t, "hubTime"), MessageID: messages.Draw(t, "messageId"), Prev: hashes.Draw(t, "prev"),
			Seq: integer.Draw(t, "seq"), SubmissionHash: hashes.Draw(t, "submissionHash"), Term: integer.Draw(t, "term"),
		}
		want := object{
			"conversationId": e.ConversationID, "count": e.Count, "hubTime": e.HubTime, "messageId": e.MessageID.String(),
			"prev": b64(e.Prev), "seq": e.Seq, "submissionHash": b64(e.SubmissionHash), "term": e.Term, "v": 1,
		}
		if rapid.Bool().Draw(t, "changes state") {
			h := hashes.Draw(t, "stateHash")
			e.StateHash, want["stateHash"] = &h, b64(h)
		}
		got, err := e.Canonical(nil)
		same(t, want, got, err)
		hash, err := e.Hash(nil)
		if err != nil || hash != canonical.Hash("entry", got) {
			t.Errorf("hash %x, %v", hash, err)
		}
	})
}

func TestCheckpoint_CanonicalIsThatOfItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := event.Checkpoint{
			ConversationID: id.Conversation(text.Draw(t, "conversation")), Hash: hashes.Draw(t, "hash"),
			Hub: id.Server(text.Draw(t, "hub")), Seq: integer.Draw(t, "seq"), Term: integer.Draw(t, "term"),
			Time: integer.Draw(t, "time"),
		}
		got, err := c.Canonical()
		same(t, object{
			"conversationId": c.ConversationID, "hash": b64(c.Hash), "hub": c.Hub, "seq": c.Seq, "term": c.Term,
			"time": c.Time, "v": 1,
		}, got, err)
	})
}

func TestMessageContent_IsThatOfItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := frame.Send{
			TempID: "not content", ConversationID: "not content", Content: text.Draw(t, "content"),
			ContentType: text.Draw(t, "contentType"), MediaURL: text.Draw(t, "mediaUrl"),
			ReplyToMessageID: text.Draw(t, "reply"), EncryptedContent: text.Draw(t, "encrypted"),
		}
		got, err := event.MessageContent(m)
		want := object{"contentType": m.ContentType}
		want.set("content", m.Content).set("encryptedContent", m.EncryptedContent)
		same(t, want.set("mediaUrl", m.MediaURL).set("replyToMessageId", m.ReplyToMessageID), got, err)
	})
}

func TestChangeContent_IsThatOfItsJSONAndIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := frame.Change{Name: text.Draw(t, "name"), Role: text.Draw(t, "role"), UserIDs: rapid.SliceOfN(text, 0, 5).Draw(t, "users")}
		c.TargetMessageID, c.SecretHash, c.LinkID = text.Draw(t, "target"), text.Draw(t, "hash"), text.Draw(t, "link")
		c.HistoryVisibility = text.Draw(t, "visibility")
		want := object{}.set("name", c.Name).set("role", c.Role).set("targetMessageId", c.TargetMessageID)
		want.set("secretHash", c.SecretHash).set("linkId", c.LinkID).set("historyVisibility", c.HistoryVisibility)
		drawSettings(t, &c, want)
		got, err := event.ChangeContent(c)
		if len(c.UserIDs) > 0 {
			want["userIds"] = c.UserIDs
		}
		same(t, want, got, err)
		back, err := event.ParseChange(frame.TypeMemberAdd, got)
		if diff := cmp.Diff(c, back, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("read back: %v, -want +got\n%s", err, diff)
		}
	})
}

// drawSettings sets what the settings of a change may have, and what its JSON has then.
func drawSettings(t *rapid.T, c *frame.Change, want object) {
	n := rapid.Int64Range(0, 1<<53-1)
	if c.ExpiresAt = n.Draw(t, "expires"); c.ExpiresAt != 0 {
		want["expiresAt"] = c.ExpiresAt
	}
	if c.MaxUses = n.Draw(t, "uses"); c.MaxUses != 0 {
		want["maxUses"] = c.MaxUses
	}
	if c.NeedsApproval = rapid.Bool().Draw(t, "approval"); c.NeedsApproval {
		want["needsApproval"] = true
	}
	if rapid.Bool().Draw(t, "texts") {
		description, avatar := text.Draw(t, "description"), text.Draw(t, "avatar")
		c.Description, c.AvatarURL = &description, &avatar
		want["description"], want["avatarUrl"] = description, avatar
	}
	if rapid.Bool().Draw(t, "numbers") {
		timer, slow, search := n.Draw(t, "timer"), n.Draw(t, "slow"), rapid.Bool().Draw(t, "search")
		c.EphemeralTimer, c.SlowMode, c.ServerSearch = &timer, &slow, &search
		want["ephemeralTimer"], want["slowMode"], want["serverSearch"] = timer, slow, search
	}
	if rapid.Bool().Draw(t, "permissions") {
		c.Permissions = map[string]string{"send": text.Draw(t, "send"), "pin": text.Draw(t, "pin")}
		want["permissions"] = c.Permissions
	}
}

func TestCreate_CanonicalIsThatOfItsJSONAndIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCreate(t)
		got, err := c.Canonical()
		want := object{
			"creators": c.Creators, "hub": c.Hub, "members": c.Members, "nonce": canonical.EncodeBase64(c.Nonce[:]),
			"type": c.Type, "v": 1,
		}
		same(t, want.set("name", c.Name), got, err)
		back, err := event.ParseCreate(got)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(c) {
			t.Errorf("read back %+v, %v; want %+v", back, err, c)
		}
	})
}

func TestContentHash_IsOverDomainSaltAndContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		salt, content := [event.SaltSize]byte(bytesN(t, event.SaltSize)), rapid.SliceOf(rapid.Byte()).Draw(t, "content")
		if got, want := event.ContentHash(salt, content), event.Hash(canonical.Hash("content", append(salt[:], content...))); got != want {
			t.Errorf("got %x, want %x", got, want)
		}
	})
}

func TestEncoders_RefuseWhatTheProfileDoesNotHave(t *testing.T) {
	for name, encode := range map[string]func() ([]byte, error){
		"submission, integer":   func() ([]byte, error) { return event.Submission{AuthorTime: 1 << 53}.Canonical(nil) },
		"submission, UTF-8":     func() ([]byte, error) { return event.Submission{TempID: "\xff"}.Canonical(nil) },
		"entry, integer":        func() ([]byte, error) { return event.Entry{Seq: -1 << 60}.Canonical(nil) },
		"checkpoint, integer":   func() ([]byte, error) { return event.Checkpoint{Time: 1 << 60}.Canonical() },
		"message, UTF-8":        func() ([]byte, error) { return event.MessageContent(frame.Send{Content: "\xed\xa0\x80"}) },
		"message, size":         func() ([]byte, error) { return event.MessageContent(frame.Send{Content: string(make([]byte, 70000))}) },
		"change, UTF-8":         func() ([]byte, error) { return event.ChangeContent(frame.Change{UserIDs: []string{"\xff"}}) },
		"change, UTF-8 of name": func() ([]byte, error) { return event.ChangeContent(frame.Change{Name: "\xff"}) },
	} {
		if out, err := encode(); err == nil {
			t.Errorf("%s: made %.60q", name, out)
		}
	}
	if _, err := (event.Submission{TempID: "\xff"}).Hash(nil); err == nil {
		t.Error("a submission that has no canonical form has a hash")
	}
	if _, err := (event.Entry{Seq: 1 << 60}).Hash(nil); err == nil {
		t.Error("an entry that has no canonical form has a hash")
	}
}
