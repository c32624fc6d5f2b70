// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

var update = flag.Bool("update", false, "write the files of spec/vectors/log that come from here anew")

const (
	vectorDir = "../../spec/vectors/log"
	generator = "go test ./protocol/event -run TestVectors_AreCurrent -update"
)

// note says which class of bug a flag stands for.
type note struct {
	BugType     string `json:"bugType"`
	Description string `json:"description"`
}

// vector is one case. Which members it has depends on the operation.
type vector struct {
	ID             string          `json:"id"`
	Comment        string          `json:"comment"`
	Flags          []string        `json:"flags"`
	Input          string          `json:"input,omitempty"`
	Users          []id.User       `json:"users,omitempty"`
	Salt           string          `json:"salt,omitempty"`
	Server         id.Server       `json:"server,omitempty"`
	KeyID          string          `json:"keyId,omitempty"`
	PrivateKey     string          `json:"privateKey,omitempty"`
	PublicKey      string          `json:"publicKey,omitempty"`
	Signature      string          `json:"signature,omitempty"`
	Domain         string          `json:"domain,omitempty"`
	Hash           string          `json:"hash,omitempty"`
	ConversationID id.Conversation `json:"conversationId,omitempty"`
	Output         string          `json:"output,omitempty"`
	Result         string          `json:"result"`
	Error          string          `json:"error,omitempty"`
	Field          string          `json:"field,omitempty"`
}

type vectorFile struct {
	Description string          `json:"description"`
	Operation   string          `json:"operation"`
	Generator   string          `json:"generator"`
	Notes       map[string]note `json:"notes"`
	Tests       []vector        `json:"tests"`
}

var runners = map[string]func(*testing.T, vector){
	"create":      runCreate,
	"direct":      runDirect,
	"contentHash": runContentHash,
	"objectHash":  runObjectHash,
	"checkpoint":  runCheckpoint,
}

func runCreate(t *testing.T, v vector) {
	c, err := event.ParseCreate([]byte(v.Input))
	if v.Result == "invalid" {
		if got := code(t, err); got != v.Error {
			t.Errorf("got %q, want %q", got, v.Error)
		}
		if f, ok := errors.AsType[*fault.Error](err); ok && f.Field != v.Field {
			t.Errorf("field %q, want %q", f.Field, v.Field)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Canonical()
	if err != nil || string(again) != v.Input || event.ConversationID(again) != v.ConversationID {
		t.Errorf("got %s, %v", again, err)
	}
}

// code is the code of a fault, or the kind of a fault of signed JSON.
func code(t *testing.T, err error) string {
	t.Helper()
	if e, ok := errors.AsType[*canonical.Error](err); ok {
		return string(e.Kind)
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("no fault: %v", err)
	}
	return string(f.Code)
}

func runDirect(t *testing.T, v vector) {
	got, err := event.NewDirect(v.Users[0], v.Users[1]).Canonical()
	if err != nil || string(got) != v.Output || event.ConversationID(got) != v.ConversationID {
		t.Errorf("got %s, %v", got, err)
	}
}

func runContentHash(t *testing.T, v vector) {
	got := event.ContentHash([event.SaltSize]byte(unhex(t, v.Salt)), []byte(v.Input))
	if same := hex.EncodeToString(got[:]) == v.Hash; same != (v.Result == "valid") {
		t.Errorf("got %x, %s", got, v.Result)
	}
}

func runObjectHash(t *testing.T, v vector) {
	if err := canonical.Check([]byte(v.Input)); err != nil {
		t.Error(err)
	}
	got := canonical.Hash(v.Domain, []byte(v.Input))
	if same := hex.EncodeToString(got[:]) == v.Hash; same != (v.Result == "valid") {
		t.Errorf("got %x, %s", got, v.Result)
	}
}

func runCheckpoint(t *testing.T, v vector) {
	c := readCheckpoint(t, v.Input)
	sig := event.Signature{Server: v.Server, KeyID: v.KeyID, Bytes: unhex(t, v.Signature)}
	if err := c.Verify(sig, unhex(t, v.PublicKey)); (err == nil) != (v.Result == "valid") {
		t.Errorf("got %v, want %s", err, v.Result)
	}
	if v.Result != "valid" {
		return
	}
	again, err := c.Sign(v.KeyID, ed25519.NewKeyFromSeed(unhex(t, v.PrivateKey)))
	if err != nil || !bytes.Equal(again.Bytes, sig.Bytes) {
		t.Errorf("signed %x, %v", again.Bytes, err)
	}
}

func readCheckpoint(t *testing.T, raw string) event.Checkpoint {
	t.Helper()
	var w struct {
		ConversationID id.Conversation `json:"conversationId"`
		Hash           string          `json:"hash"`
		Hub            id.Server       `json:"hub"`
		Seq            int64           `json:"seq"`
		Term           int64           `json:"term"`
		Time           int64           `json:"time"`
	}
	if err := json.Unmarshal([]byte(raw), &w); err != nil {
		t.Fatal(err)
	}
	hash, err := canonical.DecodeBase64(w.Hash)
	if err != nil {
		t.Fatal(err)
	}
	c := event.Checkpoint{w.ConversationID, event.Hash(hash), w.Hub, w.Seq, w.Term, w.Time}
	if again, err := c.Canonical(); err != nil || string(again) != raw {
		t.Fatalf("%s is encoded as %s, %v", raw, again, err)
	}
	return c
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors_AreCurrent(t *testing.T) {
	for name, file := range vectorFiles(t) {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(file); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(vectorDir, name)
		if *update {
			if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what the generator makes (%v); run: %s", name, err, generator)
		}
	}
}

func TestVectors_HoldHere(t *testing.T) {
	ids := map[string]bool{}
	for name := range vectorFiles(t) {
		raw, err := os.ReadFile(filepath.Join(vectorDir, name))
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		var file vectorFile
		if err := dec.Decode(&file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		used := map[string]bool{}
		for _, v := range file.Tests {
			if ids[v.ID] || (v.Result == "valid") != (v.Error == "") {
				t.Errorf("%s stands twice, or its result is %q with error %q", v.ID, v.Result, v.Error)
			}
			ids[v.ID] = true
			for _, f := range v.Flags {
				used[f] = true
			}
			t.Run(v.ID, func(t *testing.T) { runners[file.Operation](t, v) })
		}
		for f := range used {
			if file.Notes[f].BugType == "" {
				t.Errorf("%s: no note for %s", name, f)
			}
		}
	}
	if len(ids) < 50 {
		t.Errorf("only %d vectors", len(ids))
	}
}
