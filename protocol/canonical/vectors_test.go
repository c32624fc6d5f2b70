// SPDX-License-Identifier: Apache-2.0

package canonical_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"parley.chat/protocol/canonical"
)

var update = flag.Bool("update", false, "write spec/vectors/canonical anew")

const (
	vectorDir     = "../../spec/vectors/canonical"
	generator     = "go test ./protocol/canonical -run TestVectors_AreCurrent -update"
	defaultDomain = "vector"
)

// note says which class of bug a flag stands for.
type note struct {
	BugType     string `json:"bugType"`
	Description string `json:"description"`
}

// vector is one case. Exactly one of Input and InputHex is present.
type vector struct {
	ID        string   `json:"id"`
	Comment   string   `json:"comment"`
	Flags     []string `json:"flags"`
	Input     *string  `json:"input,omitempty"`
	InputHex  string   `json:"inputHex,omitempty"`
	Output    string   `json:"output,omitempty"`
	OutputHex string   `json:"outputHex,omitempty"`
	Domain    string   `json:"domain,omitempty"`
	Hash      string   `json:"hash,omitempty"`
	Result    string   `json:"result"`
	Error     string   `json:"error,omitempty"`
}

// vectorFile is one file of vectors.
type vectorFile struct {
	Description string          `json:"description"`
	Operation   string          `json:"operation"`
	Generator   string          `json:"generator"`
	Notes       map[string]note `json:"notes"`
	Tests       []vector        `json:"tests"`
}

// input makes a case of any bytes; those that JSON text cannot or should not carry go in hexadecimal.
func input(id, in, comment string, flags []string) vector {
	v := vector{ID: id, Comment: comment, Flags: append([]string{}, flags...)}
	if utf8.ValidString(in) && !strings.ContainsRune(in, '\uFEFF') {
		v.Input = &in
	} else {
		v.InputHex = hex.EncodeToString([]byte(in))
	}
	return v
}

// good is a canonical object.
func good(id, in, comment string, flags ...string) vector {
	return hashed(input(id, in, comment, flags), defaultDomain, in)
}

// free is a good object in another spelling than the canonical one, which is out.
func free(id, in, out, comment string, flags ...string) vector {
	v := hashed(input(id, in, comment, flags), defaultDomain, out)
	v.Output, v.Result, v.Error = out, "invalid", "not_canonical"
	return v
}

// bad is refused with the given kind of error.
func bad(id, in, kind, comment string, flags ...string) vector {
	v := input(id, in, comment, flags)
	v.Result, v.Error = "invalid", kind
	return v
}

// hashed marks a case valid and adds the hash of its canonical form, computed here and not by the package.
func hashed(v vector, domain, canonicalForm string) vector {
	sum := sha256.Sum256([]byte("parley/v1/" + domain + "\n" + canonicalForm))
	v.Hash, v.Result = hex.EncodeToString(sum[:]), "valid"
	if domain != defaultDomain {
		v.Domain = domain
	}
	return v
}

func (v vector) bytes(t *testing.T) []byte {
	t.Helper()
	if v.Input != nil {
		return []byte(*v.Input)
	}
	b, err := hex.DecodeString(v.InputHex)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors_AreCurrent(t *testing.T) {
	files := vectorFiles()
	for name, file := range files {
		want := encodeVectors(t, file)
		path := filepath.Join(vectorDir, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator makes; run: %s", name, generator)
		}
	}
	for _, path := range vectorPaths(t) {
		if _, ok := files[filepath.Base(path)]; !ok {
			t.Errorf("%s comes from no generator", path)
		}
	}
}

func encodeVectors(t *testing.T, file vectorFile) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(file); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func vectorPaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors in %s: %v", vectorDir, err)
	}
	return paths
}

func readVectors(t *testing.T, path string) vectorFile {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var file vectorFile
	if err := dec.Decode(&file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return file
}

func TestVectors_HoldHere(t *testing.T) {
	run := map[string]func(*testing.T, vector){"check": runCheck, "base64": runBase64}
	for _, path := range vectorPaths(t) {
		file := readVectors(t, path)
		for _, v := range file.Tests {
			t.Run(v.ID, func(t *testing.T) { run[file.Operation](t, v) })
		}
	}
}

func runCheck(t *testing.T, v vector) {
	in := v.bytes(t)
	before := bytes.Clone(in)
	if got := kindOf(t, canonical.Check(in)); got != v.Error {
		t.Errorf("Check: got %q, want %q", got, v.Error)
	}
	out, err := canonical.Canonicalize(in)
	if !bytes.Equal(in, before) {
		t.Error("the input was changed")
	}
	if v.Hash == "" {
		if got := kindOf(t, err); got != v.Error {
			t.Errorf("Canonicalize: got %q, want %q", got, v.Error)
		}
		return
	}
	want := v.Output
	if v.Result == "valid" {
		want = string(in)
	}
	if err != nil || string(out) != want {
		t.Fatalf("Canonicalize: got %q, %v; want %q", out, err, want)
	}
	if err := canonical.Check(out); err != nil {
		t.Errorf("Check of the canonical form: %v", err)
	}
	domain := defaultDomain
	if v.Domain != "" {
		domain = v.Domain
	}
	if sum := canonical.Hash(domain, out); hex.EncodeToString(sum[:]) != v.Hash {
		t.Errorf("Hash: got %x, want %s", sum, v.Hash)
	}
}

func runBase64(t *testing.T, v vector) {
	in := string(v.bytes(t))
	out, err := canonical.DecodeBase64(in)
	if got := kindOf(t, err); got != v.Error {
		t.Fatalf("DecodeBase64: got %q, want %q", got, v.Error)
	}
	if v.Result != "valid" {
		return
	}
	if got := hex.EncodeToString(out); got != v.OutputHex {
		t.Errorf("DecodeBase64: got %s, want %s", got, v.OutputHex)
	}
	if again := canonical.EncodeBase64(out); again != in {
		t.Errorf("EncodeBase64: got %q, want %q", again, in)
	}
}

// kindOf returns the kind of an *Error, or "" for nil.
func kindOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*canonical.Error](err)
	if !ok {
		t.Fatalf("not an *Error: %v", err)
	}
	if e.Offset < 0 {
		t.Errorf("offset %d", e.Offset)
	}
	return string(e.Kind)
}

func TestVectors_AreWellFormed(t *testing.T) {
	ids := map[string]bool{}
	for _, path := range vectorPaths(t) {
		file := readVectors(t, path)
		used := map[string]bool{}
		for _, v := range file.Tests {
			if ids[v.ID] {
				t.Errorf("%s stands twice", v.ID)
			}
			ids[v.ID] = true
			if (v.Input == nil) == (v.InputHex == "") {
				t.Errorf("%s: not exactly one input", v.ID)
			}
			if (v.Result == "valid") != (v.Error == "") || !slices.Contains([]string{"valid", "invalid"}, v.Result) {
				t.Errorf("%s: result %q with error %q", v.ID, v.Result, v.Error)
			}
			for _, f := range v.Flags {
				used[f] = true
				if _, ok := file.Notes[f]; !ok {
					t.Errorf("%s: no note for flag %s", v.ID, f)
				}
			}
		}
		for f := range file.Notes {
			if !used[f] {
				t.Errorf("%s: nothing has flag %s", path, f)
			}
		}
	}
	if len(ids) < 60 {
		t.Errorf("only %d vectors", len(ids))
	}
}

func TestVectors_ShowEveryKindOfError(t *testing.T) {
	shown := map[canonical.Kind]bool{canonical.KindKeyOrder: true} // Only Object has it.
	for _, path := range vectorPaths(t) {
		for _, v := range readVectors(t, path).Tests {
			shown[canonical.Kind(v.Error)] = true
		}
	}
	for _, k := range []canonical.Kind{
		canonical.KindTooLarge, canonical.KindNotUTF8, canonical.KindBOM, canonical.KindSyntax,
		canonical.KindNotObject, canonical.KindTrailingData, canonical.KindTooDeep, canonical.KindTooManyMembers,
		canonical.KindBadKey, canonical.KindDuplicateKey, canonical.KindLoneSurrogate, canonical.KindNotInteger,
		canonical.KindNegativeZero, canonical.KindOutOfRange, canonical.KindNotCanonical, canonical.KindBadBase64,
	} {
		if !shown[k] {
			t.Errorf("no vector shows %s", k)
		}
	}
}
