// SPDX-License-Identifier: Apache-2.0

package mock_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"path"
	"testing"

	"parley.chat/conformance/mock"
	"parley.chat/spec"
)

// vectors reads a file of spec/vectors.
func vectors[T any](t *testing.T, name string) T {
	t.Helper()
	raw, err := fs.ReadFile(spec.Files(), path.Join("vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	var out T
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

type canonicalVectors struct {
	Tests []struct {
		ID, Comment, Result, Domain, Hash string
		Input, InputHex, Output           string
		OutputHex                         string
	}
}

func TestParse_TakesWhatTheVectorsTake(t *testing.T) {
	for _, name := range []string{"encoding", "hashes", "keys", "limits", "numbers", "strings", "structure"} {
		for _, c := range vectors[canonicalVectors](t, "canonical/"+name+".json").Tests {
			raw := []byte(c.Input)
			if c.InputHex != "" {
				raw = unhex(t, c.InputHex)
			}
			_, err := mock.Parse(raw)
			if (err == nil) != (c.Result == "valid") {
				t.Errorf("%s (%s): %v, want %s", c.ID, c.Comment, err, c.Result)
			}
			if domain := c.Domain; err == nil && c.Hash != "" {
				if domain == "" {
					domain = "vector"
				}
				if sum := mock.Hash(domain, string(raw)); hex.EncodeToString(sum[:]) != c.Hash {
					t.Errorf("%s: the hash is %x", c.ID, sum)
				}
			}
		}
	}
}

func TestFromBase64_TakesWhatTheVectorsTake(t *testing.T) {
	for _, c := range vectors[canonicalVectors](t, "canonical/base64.json").Tests {
		raw, err := mock.FromBase64(c.Input)
		if (err == nil) != (c.Result == "valid") || err == nil && hex.EncodeToString(raw) != c.OutputHex {
			t.Errorf("%s (%s): %x %v, want %s", c.ID, c.Comment, raw, err, c.Result)
		}
	}
}

func TestClone_SharesNothing(t *testing.T) {
	o := mock.Object{"list": []any{mock.Object{"a": int64(1)}}}
	before := mock.Encode(o)
	mock.Clone(o)["list"].([]any)[0].(mock.Object)["a"] = int64(2)
	if mock.Encode(o) != before {
		t.Error(mock.Encode(o))
	}
}
