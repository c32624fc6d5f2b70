// SPDX-License-Identifier: Apache-2.0

package key_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/key"
)

var update = flag.Bool("update", false, "write spec/vectors/federation/keys.json again")

const vectorFile = "../../spec/vectors/federation/keys.json"

type note struct {
	BugType     string `json:"bugType"`
	Description string `json:"description"`
}

type vector struct {
	ID      string   `json:"id"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Input   string   `json:"input"`
	Result  string   `json:"result"`
}

type vectors struct {
	Description string            `json:"description"`
	Operation   string            `json:"operation"`
	Generator   string            `json:"generator"`
	Notes       map[string]note   `json:"notes"`
	Server      string            `json:"server"`
	PrivateKeys map[string]string `json:"privateKeys"`
	Tests       []vector          `json:"tests"`
}

// resigned is a document whose keys were changed, signed again by who holds the private ones of the sample.
func resigned(t *testing.T, from, to string) string {
	d, private := sample()
	raw := string(signed(t))
	raw = strings.Replace(raw, from, to, 1)
	head, rest, _ := strings.Cut(raw, `"signatures":[`)
	_, tail, _ := strings.Cut(rest, `],`)
	unsigned := head + tail
	var list []string
	for _, k := range d.Keys {
		sig := ed25519.Sign(private[k.ID], []byte("parley/v1/server_keys\n"+unsigned))
		list = append(list, `{"keyId":"`+k.ID+`","signature":"`+canonical.EncodeBase64(sig)+`"}`)
	}
	return head + `"signatures":[` + strings.Join(list, ",") + `],` + tail
}

func TestVectors_AreCurrent(t *testing.T) {
	good := string(signed(t))
	d, private := sample()
	out := vectors{
		Description: "The keys a server publishes. Operation keys: the receiver, who asked server, takes the input bytes if and only if result is valid. privateKeys are seeds by key id, keys are hexadecimal.",
		Operation:   "keys", Generator: "go test ./protocol/key -run TestVectors_AreCurrent -update",
		Notes: map[string]note{
			"Good":      {"INTEROPERABILITY", "A good document is refused."},
			"Spelling":  {"AMBIGUITY", "Two spellings of one document are taken."},
			"Signature": {"FORGERY", "A document is taken that the server did not sign."},
			"WeakKey":   {"FORGERY", "A key is taken with which anybody signs."},
		},
		Server: string(name), PrivateKeys: map[string]string{},
	}
	for keyID, k := range private {
		out.PrivateKeys[keyID] = hex.EncodeToString(k.Seed())
	}
	add := func(id, flag, comment, input, result string) {
		out.Tests = append(out.Tests, vector{"keys-" + id, comment, []string{flag}, input, result})
	}
	delete(private, d.Keys[1].ID)
	one, err := d.Sign(private)
	if err != nil {
		t.Fatal(err)
	}
	weak := canonical.EncodeBase64([]byte(strings.Repeat("\x00", 32)))
	old := canonical.EncodeBase64(d.Old[0].Public)
	add("good", "Good", "two keys, an old one and a revoked one", good, "valid")
	add("one-signature", "Good", "signed by one of two keys", string(one), "valid")
	add("space", "Spelling", "white space", strings.Replace(good, `"v":1`, `"v": 1`, 1), "invalid")
	add("unknown", "Spelling", "a member nobody knows, signed", resigned(t, `"v":1`, `"v":1,"x":1`), "invalid")
	add("missing", "Spelling", "a member is missing, signed", resigned(t, `"isRevoked":false,`, ""), "invalid")
	add("changed", "Signature", "a key's life was changed", strings.Replace(good, "1796000000000", "1796000000001", 1), "invalid")
	add("other-server", "Signature", "the document of another server, signed", resigned(t, "example.org", "example.net"), "invalid")
	add("weak", "WeakKey", "an old key of small order, signed", resigned(t, old, weak), "invalid")
	add("twice", "Spelling", "a key id twice, signed", resigned(t, d.Old[0].ID, d.Old[1].ID), "invalid")
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(vectorFile)
	if err != nil || !bytes.Equal(have, want.Bytes()) {
		t.Errorf("%s is not current; run go test ./protocol/key -run Vectors -update (%v)", vectorFile, err)
	}
	for _, v := range out.Tests {
		if _, err := key.Parse([]byte(v.Input), name); (err == nil) != (v.Result == "valid") {
			t.Errorf("%s: %v, want %s", v.ID, err, v.Result)
		}
	}
	if resigned(t, "", "") != good {
		t.Error("signing by hand gives another document: the vectors show nothing")
	}
}
