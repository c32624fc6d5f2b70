// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

var notes = map[string]note{
	"Boundary":  {"OFF_BY_ONE", "The last value within or the first value beyond a limit."},
	"Form":      {"MISSING_VALIDATION", "Malformed values become state, so that servers that check them and servers that do not disagree."},
	"Spelling":  {"MALLEABILITY", "One conversation has several create events and so several ids, or keys are read by some and skipped by others."},
	"Twin":      {"DUPLICATE_CONVERSATION", "Two servers make two direct conversations of the same pair."},
	"Commit":    {"BROKEN_COMMITMENT", "The hash does not cover every byte, or not in this order."},
	"Domain":    {"MISSING_DOMAIN_SEPARATION", "An object of one type is taken for one of another."},
	"Signature": {"FORGERY", "A signature is accepted that the hub did not make for this object."},
}

// file makes a file of vectors with the notes its flags need.
func file(operation, description string, tests []vector) vectorFile {
	f := vectorFile{
		Description: "The log. Operation " + operation + ": " + description,
		Operation:   operation, Generator: generator, Notes: map[string]note{}, Tests: tests,
	}
	for i := range tests {
		if tests[i].Flags == nil {
			tests[i].Flags = []string{}
		}
		for _, flag := range tests[i].Flags {
			f.Notes[flag] = notes[flag]
		}
	}
	return f
}

func vectorFiles(t *testing.T) map[string]vectorFile {
	return map[string]vectorFile{
		"create.json": file("create", "input is a create event; an implementation accepts it if and only if result is valid, "+
			"and it names the conversation conversationId. Errors are codes of spec/errors.yaml or kinds of signed JSON.", createCases(t)),
		"direct.json": file("direct", "output is the one create event of the direct conversation between two users, "+
			"in whichever order.", directCases(t)),
		"content-hash.json": file("contentHash", "hash is the lower-case hexadecimal SHA-256 of \"parley/v1/content\\n\", salt and "+
			"content; if result is invalid, it is not.", contentHashCases(t)),
		"object-hash.json": file("objectHash", "hash is the lower-case hexadecimal hash of a submission or an entry in its domain; if "+
			"result is invalid, it is not.", objectHashCases(t)),
		"checkpoint.json": file("checkpoint", "the signature over a checkpoint (Ed25519, in the domain checkpoint) is of the hub if "+
			"and only if result is valid. privateKey is the seed; keys and signatures are hexadecimal.", checkpointCases(t)),
	}
}

// hexHash is the hash of parts, computed without the package.
func hexHash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(sum[:])
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// conversationOf names a conversation without the package.
func conversationOf(create []byte) id.Conversation {
	sum := sha256.Sum256(append([]byte("parley/v1/create\n"), create...))
	return id.Conversation("c" + canonical.EncodeBase64(sum[:]))
}

func createCases(t *testing.T) (out []vector) {
	good := func(name, comment string, c event.Create, flags ...string) {
		raw := must(c.Canonical())(t)
		out = append(out, vector{ID: "create-" + name, Comment: comment, Flags: flags, Input: string(raw),
			ConversationID: conversationOf(raw), Result: "valid"})
	}
	bad := func(name, comment, field string, edit func(*event.Create), flags ...string) {
		c := group(3)
		edit(&c)
		out = append(out, vector{ID: "create-" + name, Comment: comment, Flags: flags, Input: string(must(c.Canonical())(t)),
			Result: "invalid", Error: "invalid_field", Field: field})
	}
	eight := group(9)
	eight.Creators, eight.Nonce = eight.Members[:8], [16]byte{1, 2, 3}
	long := group(2)
	long.Name = strings.Repeat("é", 127) + "e"
	signs := group(1)
	signs.Name = "\"Grüße\" <&> \\ \u2028 \U0001F600"
	good("group", "a group of three", group(3))
	good("eight-creators", "eight creators", eight, "Boundary")
	good("long-name", "a name of 255 bytes", long, "Boundary")
	good("escaped-name", "characters that other encoders escape", signs, "Spelling")
	good("direct", "a direct conversation", event.NewDirect("alice@a.example", "bob@b.example"))

	bad("no-creator", "no creator", "creators", func(c *event.Create) { c.Creators = nil }, "Boundary")
	bad("nine-creators", "nine creators", "creators", func(c *event.Create) { *c = group(9); c.Creators = c.Members }, "Boundary")
	bad("unsorted-creators", "creators out of order", "creators",
		func(c *event.Create) { c.Creators = []id.User{c.Members[1], c.Members[0]} }, "Spelling")
	bad("unsorted-members", "members out of order", "members", func(c *event.Create) { slices.Reverse(c.Members[1:]) }, "Spelling")
	bad("double-member", "a member twice", "members", func(c *event.Create) { c.Members[2] = c.Members[1] }, "Spelling")
	bad("foreign-creator", "a creator who is no member", "creators", func(c *event.Create) { c.Creators = []id.User{"z@example.org"} }, "Form")
	bad("bad-member", "a member that is no user id", "members", func(c *event.Create) { c.Members[2] = "u0002@Example.org" }, "Form")
	bad("bad-hub", "a hub that is no server name", "hub", func(c *event.Create) { c.Hub = "example.org." }, "Form")
	bad("name-256", "a name of 256 bytes", "name", func(c *event.Create) { c.Name = strings.Repeat("é", 128) }, "Boundary")
	bad("name-control", "a control character in the name", "name", func(c *event.Create) { c.Name = "a\u0085b" }, "Form")
	bad("type", "an unknown type", "type", func(c *event.Create) { c.Type = "room" }, "Form")
	bad("direct-three", "a direct conversation of three", "members", func(c *event.Create) { c.Name, c.Type = "", event.Direct }, "Form")
	bad("direct-name", "a direct conversation with a name", "name", func(c *event.Create) {
		*c = event.NewDirect("a@b", "c@d")
		c.Name = "x"
	}, "Form")
	bad("direct-twin", "a second direct conversation of the same pair", "type", func(c *event.Create) {
		*c = event.NewDirect("a@b", "c@d")
		c.Nonce[0] ^= 1
	}, "Twin")
	return append(out, spellingCases()...)
}

func spellingCases() (out []vector) {
	for _, c := range [][4]string{
		{"unknown-key", "a key that does not belong there", `,"v":1`, `,"u":0,"v":1`},
		{"other-case", "a key in another case", `{"creators"`, `{"Hub":"c","creators"`},
		{"empty-name", "an empty name instead of none", `,"nonce"`, `,"name":"","nonce"`},
		{"null-name", "null instead of no name", `,"nonce"`, `,"name":null,"nonce"`},
		{"version-2", "another version", `"v":1`, `"v":2`},
		{"no-version", "no version", `,"v":1`, ``},
		{"short-nonce", "a nonce of 15 bytes", `AAAAAAAAAAAAAAAAAAAAAA`, `AAAAAAAAAAAAAAAAAAAA`},
		{"nonce-bits", "bits of the nonce that stand for nothing are set", `AAAAAAAAAAAAAAAAAAAAAA`, `AAAAAAAAAAAAAAAAAAAAAB`},
		{"space", "a space", `,"v"`, `, "v"`},
		{"key-order", "keys out of order", `"type":"group","v":1`, `"v":1,"type":"group"`},
	} {
		v := vector{ID: "create-" + c[0], Comment: c[1], Flags: []string{"Spelling"}, Result: "invalid", Error: "malformed_json",
			Input: strings.Replace(create, c[2], c[3], 1)}
		if c[0] == "space" || c[0] == "key-order" {
			v.Error = "not_canonical"
		}
		out = append(out, v)
	}
	return out
}

func directCases(t *testing.T) (out []vector) {
	for i, pair := range [][2]id.User{
		{"alice@a.example", "bob@b.example"}, {"bob@b.example", "alice@a.example"}, {"alice@b.example", "bob@a.example"},
		{"a@localhost:8448", "a@localhost"}, {"a-b@x", "a.b@x"},
	} {
		sorted := []id.User{min(pair[0], pair[1]), max(pair[0], pair[1])}
		nonce := sha256.Sum256([]byte("parley/v1/direct\n" + string(sorted[0]) + "\n" + string(sorted[1])))
		list := fmt.Sprintf(`["%s","%s"]`, sorted[0], sorted[1])
		raw := fmt.Sprintf(`{"creators":%s,"hub":"%s","members":%s,"nonce":"%s","type":"direct","v":1}`,
			list, sorted[0].Server(), list, canonical.EncodeBase64(nonce[:16]))
		out = append(out, vector{ID: fmt.Sprintf("direct-%d", i), Comment: fmt.Sprintf("%s and %s", pair[0], pair[1]),
			Flags: []string{"Twin"}, Users: pair[:], Output: raw, ConversationID: conversationOf([]byte(raw)), Result: "valid"})
	}
	return out
}

func contentHashCases(t *testing.T) []vector {
	salt, other := strings.Repeat("\x07", 16), strings.Repeat("\x08", 16)
	content := string(must(event.MessageContent(frame.Send{Content: "Grüße \"<&>\" \u2028", ContentType: "text"}))(t))
	full := string(must(event.MessageContent(frame.Send{Content: "c", ContentType: "image", MediaURL: "https://m.example/1",
		ReplyToMessageID: "01J9ZK3V8Q2M6T4R7X5W1Y0ABC", EncryptedContent: "AAEC"}))(t))
	change := string(must(event.ChangeContent(frame.Change{UserIDs: []string{"b@x", "a@x"}, Role: "admin"}))(t))
	c := func(name, comment, salt, content, result string, of ...string) vector {
		v := vector{ID: "content-" + name, Comment: comment, Flags: []string{"Commit"}, Salt: hex.EncodeToString([]byte(salt)),
			Input: content, Hash: hexHash(append([]string{"parley/v1/content\n"}, of...)...), Result: result}
		if result == "invalid" {
			v.Error = "wrong_hash"
		}
		return v
	}
	return []vector{
		c("text", "a text", salt, content, "valid", salt, content),
		c("all-fields", "every field of a message", salt, full, "valid", salt, full),
		c("change", "a state change; users keep their order", salt, change, "valid", salt, change),
		c("empty", "of a change without fields", salt, "{}", "valid", salt, "{}"),
		c("wrong-salt", "another salt", other, content, "invalid", salt, content),
		c("tampered", "another content", salt, full, "invalid", salt, content),
		c("unsalted", "a hash without salt", salt, content, "invalid", content),
		c("salt-last", "the salt after the content", salt, content, "invalid", content, salt),
	}
}

func objectHashCases(t *testing.T) []vector {
	sub := event.Submission{AuthorTime: 1790000000000, ContentHash: event.Hash{1}, ConversationID: conversationOf(nil),
		DeviceID: "01J9ZK3V8Q2M6T4R7X5W1Y0ABC", Sender: "alice@example.org", TempID: "t~\"\\1", Type: frame.TypeMessage}
	subHash := must(sub.Hash(nil))(t)
	entry := event.Entry{ConversationID: conversationOf(nil), Count: 3, HubTime: 1790000000001, Prev: event.Hash{2}, Seq: 5,
		MessageID: id.NewMessage(1790000000001, 5, subHash), SubmissionHash: subHash}
	state := entry
	state.StateHash, state.Term = &event.Hash{3}, 1
	rawSub, rawEntry := string(must(sub.Canonical(nil))(t)), string(must(entry.Canonical(nil))(t))
	rawState := string(must(state.Canonical(nil))(t))
	c := func(name, comment, domain, raw, hash string) vector {
		return vector{ID: name, Comment: comment, Flags: []string{"Domain"}, Input: raw, Domain: domain, Hash: hash, Result: "valid"}
	}
	wrong := c("entry-as-submission", "an entry hashed as a submission", "submission", rawEntry, hexHash("parley/v1/entry\n", rawEntry))
	wrong.Result, wrong.Error = "invalid", "wrong_hash"
	bare := c("entry-no-domain", "an entry hashed without a domain", "entry", rawEntry, hexHash(rawEntry))
	bare.Result, bare.Error = "invalid", "wrong_hash"
	return []vector{
		c("submission", "a submission", "submission", rawSub, hexHash("parley/v1/submission\n", rawSub)),
		c("entry-message", "an entry of a message", "entry", rawEntry, hexHash("parley/v1/entry\n", rawEntry)),
		c("entry-state", "an entry of a state change, in a later term", "entry", rawState, hexHash("parley/v1/entry\n", rawState)),
		wrong, bare,
	}
}

func checkpointCases(t *testing.T) []vector {
	c := checkpoint()
	c.ConversationID = conversationOf(nil)
	raw := string(must(c.Canonical())(t))
	key, other := testKey(1), testKey(2)
	sig := ed25519.Sign(key, []byte("parley/v1/checkpoint\n"+raw))
	with := func(name, comment, errorCode string, edit func(*vector)) vector {
		v := vector{ID: "checkpoint-" + name, Comment: comment, Flags: []string{"Signature"}, Input: raw, Server: c.Hub, KeyID: keyID,
			PrivateKey: hex.EncodeToString(key.Seed()), PublicKey: hex.EncodeToString(public(key)), Signature: hex.EncodeToString(sig),
			Result: "valid", Error: errorCode}
		if errorCode != "" {
			v.Result = "invalid"
		}
		edit(&v)
		return v
	}
	signature := func(b []byte) func(*vector) { return func(v *vector) { v.Signature = hex.EncodeToString(b) } }
	flipped := slices.Clone(sig)
	flipped[40] ^= 1
	later := c
	later.Seq++
	rawLater := string(must(later.Canonical())(t))
	return []vector{
		with("valid", "signed by the hub", "", func(*vector) {}),
		with("other-key", "signed by another key", "bad_signature", signature(ed25519.Sign(other, []byte("parley/v1/checkpoint\n"+raw)))),
		with("other-public-key", "verified with another key", "bad_signature",
			func(v *vector) { v.PublicKey = hex.EncodeToString(public(other)) }),
		with("other-server", "signed for another server than the hub", "wrong_server", func(v *vector) { v.Server = "evil.example" }),
		with("flipped", "one bit of the signature is flipped", "bad_signature", signature(flipped)),
		with("other-object", "the signature is of another checkpoint", "bad_signature", func(v *vector) { v.Input = rawLater }),
		with("no-domain", "signed without the domain", "bad_signature", signature(ed25519.Sign(key, []byte(raw)))),
		with("other-domain", "signed in another domain", "bad_signature", signature(ed25519.Sign(key, []byte("parley/v1/entry\n"+raw)))),
		with("short", "63 bytes of signature", "bad_length", signature(sig[:63])),
		with("long-key", "33 bytes of key", "bad_length", func(v *vector) { v.PublicKey += "00" }),
		with("empty-key", "no key", "bad_length", func(v *vector) { v.PublicKey = "" }),
	}
}
