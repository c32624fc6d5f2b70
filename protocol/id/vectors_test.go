// SPDX-License-Identifier: Apache-2.0

package id_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

var update = flag.Bool("update", false, "write spec/vectors/ids anew")

const (
	vectorDir = "../../spec/vectors/ids"
	generator = "go test ./protocol/id -run TestVectors_AreCurrent -update"
)

// note says which class of bug a flag stands for.
type note struct {
	BugType     string `json:"bugType"`
	Description string `json:"description"`
}

// vector is one case. Which members it has depends on the operation.
type vector struct {
	ID             string   `json:"id"`
	Comment        string   `json:"comment"`
	Flags          []string `json:"flags"`
	Input          *string  `json:"input,omitempty"`
	Output         string   `json:"output,omitempty"`
	HubTime        *int64   `json:"hubTime,omitempty"`
	Seq            *int64   `json:"seq,omitempty"`
	SubmissionHash string   `json:"submissionHash,omitempty"`
	Shards         int      `json:"shards,omitempty"`
	Shard          *int32   `json:"shard,omitempty"`
	Result         string   `json:"result"`
	Error          string   `json:"error,omitempty"`
}

type vectorFile struct {
	Description string          `json:"description"`
	Operation   string          `json:"operation"`
	Generator   string          `json:"generator"`
	Notes       map[string]note `json:"notes"`
	Tests       []vector        `json:"tests"`
}

// runners hold a vector against this implementation, by operation.
var runners = map[string]func(*testing.T, vector){
	"server":         parser(func(s string) (string, error) { v, err := id.ParseServer(s); return string(v), err }),
	"user":           parser(func(s string) (string, error) { v, err := id.ParseUser(s); return string(v), err }),
	"device":         parser(func(s string) (string, error) { v, err := id.ParseDevice(s); return string(v), err }),
	"username":       parser(id.NormalizeUsername),
	"conversation":   parser(func(s string) (string, error) { v, err := id.ParseConversation(s); return string(v), err }),
	"message":        runMessage,
	"conversationId": runConversationID,
	"userShard": func(t *testing.T, v vector) {
		sharded(t, v, func(s string, n int) id.Shard { return id.User(s).Shard(n) })
	},
	"conversationShard": func(t *testing.T, v vector) {
		sharded(t, v, func(s string, n int) id.Shard { return id.Conversation(s).Shard(n) })
	},
}

// parser runs a function that takes an identifier and returns it, or its normal form.
func parser(parse func(string) (string, error)) func(*testing.T, vector) {
	return func(t *testing.T, v vector) {
		got, err := parse(*v.Input)
		if v.Result == "invalid" {
			var f *fault.Error
			if !errors.As(err, &f) || string(f.Code) != v.Error {
				t.Errorf("got %q, %v", got, err)
			}
			return
		}
		if err != nil || got != v.Output {
			t.Errorf("got %q, %v; want %q", got, err, v.Output)
		}
	}
}

func runMessage(t *testing.T, v vector) {
	if v.Result == "invalid" {
		if m, err := id.ParseMessage(*v.Input); err == nil {
			t.Errorf("read as %x", m)
		}
		return
	}
	m, err := id.ParseMessage(v.Output)
	if err != nil || m.Time() != *v.HubTime || m.Seq() != *v.Seq {
		t.Errorf("read as %d, %d, %v", m.Time(), m.Seq(), err)
	}
	if got := id.NewMessage(*v.HubTime, *v.Seq, hash(t, v.SubmissionHash)).String(); got != v.Output {
		t.Errorf("composed as %s", got)
	}
}

func runConversationID(t *testing.T, v vector) {
	if got := id.NewConversation(hash(t, *v.Input)); string(got) != v.Output {
		t.Errorf("got %s", got)
	}
}

func sharded(t *testing.T, v vector, shard func(string, int) id.Shard) {
	if got := shard(*v.Input, v.Shards); got != id.Shard(*v.Shard) {
		t.Errorf("got %d, want %d", got, *v.Shard)
	}
}

func hash(t *testing.T, s string) [32]byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 {
		t.Fatalf("%q is no hash: %v", s, err)
	}
	return [32]byte(b)
}

func TestVectors_AreCurrent(t *testing.T) {
	files := vectorFiles()
	for name, file := range files {
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
	for _, path := range vectorPaths(t) {
		if _, ok := files[filepath.Base(path)]; !ok {
			t.Errorf("%s comes from no generator", path)
		}
	}
}

func vectorPaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors in %s: %v", vectorDir, err)
	}
	return paths
}

func TestVectors_HoldHere(t *testing.T) {
	ids := map[string]bool{}
	for _, path := range vectorPaths(t) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		var file vectorFile
		if err := dec.Decode(&file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		run, used := runners[file.Operation], map[string]bool{}
		if run == nil {
			t.Fatalf("%s: unknown operation %s", path, file.Operation)
		}
		for _, v := range file.Tests {
			if ids[v.ID] || (v.Result == "valid") != (v.Error == "") {
				t.Errorf("%s stands twice, or its result is %q with error %q", v.ID, v.Result, v.Error)
			}
			ids[v.ID] = true
			for _, f := range v.Flags {
				used[f] = true
			}
			t.Run(v.ID, func(t *testing.T) { run(t, v) })
		}
		for f := range file.Notes {
			if !used[f] {
				t.Errorf("%s: nothing has flag %s", path, f)
			}
			delete(used, f)
		}
		if len(used) > 0 {
			t.Errorf("%s: no note for %v", path, used)
		}
	}
	if len(ids) < 80 {
		t.Errorf("only %d vectors", len(ids))
	}
}
