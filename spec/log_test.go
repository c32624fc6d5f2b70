// SPDX-License-Identifier: Apache-2.0

package spec_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func validate(t *testing.T, schema string, raw []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%s: %v in %s", schema, err, raw)
	}
	if err := schemaOf(t, compiler(t), schema).Validate(v); err != nil {
		t.Errorf("%v\n%s", err, raw)
	}
}

func TestSchemas_AcceptTheObjectsThatGoMakes(t *testing.T) {
	must := func(raw []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	create := must(event.NewDirect("bob@b.example", "alice@a.example").Canonical())
	validate(t, "log.create", create)
	conv := event.ConversationID(create)
	content := must(event.MessageContent(frame.Send{Content: "hi", ContentType: "text", ReplyToMessageID: id.NewMessage(1, 2, [32]byte{}).String()}))
	validate(t, "log.content.message", content)
	submission := event.Submission{AuthorTime: 1, ContentHash: event.ContentHash([16]byte{}, content), ConversationID: conv, DeviceID: id.NewDevice(), Sender: "alice@a.example", TempID: "t", Type: "message"}
	validate(t, "log.submission", must(submission.Canonical(nil)))
	hash, err := submission.Hash(nil)
	if err != nil {
		t.Fatal(err)
	}
	entry := event.Entry{ConversationID: conv, Count: 1, HubTime: 2, MessageID: id.NewMessage(2, 1, hash), Seq: 1, SubmissionHash: hash}
	validate(t, "log.entry", must(entry.Canonical(nil)))
	entry.StateHash = &hash
	validate(t, "log.entry", must(entry.Canonical(nil)))
	validate(t, "log.checkpoint", signed(t, event.Checkpoint{ConversationID: conv, Hash: hash, Hub: "a.example", Seq: 1, Time: 3}))
}

// signed is the checkpoint as it travels, with a signature of its hub.
func signed(t *testing.T, c event.Checkpoint) []byte {
	t.Helper()
	sig, err := c.Sign("ed25519:1", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	object["signatures"] = map[string]any{string(sig.Server): map[string]string{sig.KeyID: base64.RawURLEncoding.EncodeToString(sig.Bytes)}}
	raw, err = json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestVectors_IdentifiersFitTheSchemas holds the patterns of ids.json against the vectors of package id.
func TestVectors_IdentifiersFitTheSchemas(t *testing.T) {
	c := compiler(t)
	for file, def := range map[string]string{"users": "userId", "servers": "server", "devices": "deviceId", "conversations": "conversationId", "messages": "messageId"} {
		s, err := c.Compile(base + "schemas/ids.json#/$defs/" + def)
		if err != nil {
			t.Fatal(err)
		}
		var vectors struct {
			Tests []struct {
				ID     string  `json:"id"`
				Input  *string `json:"input"`
				Result string  `json:"result"`
			} `json:"tests"`
		}
		if err := json.Unmarshal(read(t, "vectors/ids/"+file+".json"), &vectors); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, v := range vectors.Tests {
			if v.Input == nil {
				continue
			}
			n++
			if err := s.Validate(*v.Input); (err == nil) != (v.Result == "valid") {
				t.Errorf("%s: %q is %s by the vector, the schema says %v", v.ID, *v.Input, v.Result, err)
			}
		}
		if n == 0 {
			t.Errorf("%s has no vector with an input", file)
		}
	}
}
