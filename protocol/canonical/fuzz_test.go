// SPDX-License-Identifier: Apache-2.0

package canonical_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/canonical"
)

// addVectors seeds a fuzz test with the inputs of one operation, the very long ones left out.
func addVectors(f *testing.F, operation string, add func(in string)) {
	f.Helper()
	for _, file := range vectorFiles() {
		for _, v := range file.Tests {
			if file.Operation == operation && v.Input != nil && len(*v.Input) < 1000 {
				add(*v.Input)
			}
		}
	}
	add("\xff")
}

// decode reads b with encoding/json, numbers as text.
func decode(t *testing.T, b []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("encoding/json refuses %q: %v", b, err)
	}
	return v
}

// reference spells a decoded value canonically, slowly, after the text of RFC 8785 and without the package.
func reference(v any) string {
	switch v := v.(type) {
	case string:
		return referenceString(v)
	case []any:
		parts := []string{}
		for _, e := range v {
			parts = append(parts, reference(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		keys := []string{}
		for k := range v {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b string) int {
			return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
		})
		parts := []string{}
		for _, k := range keys {
			parts = append(parts, referenceString(k)+":"+reference(v[k]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case nil:
		return "null"
	default: // A json.Number or a bool.
		return fmt.Sprint(v)
	}
}

func referenceString(s string) string {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	out := `"`
	for _, r := range s {
		switch {
		case short[r] != "":
			out += short[r]
		case r < ' ':
			out += fmt.Sprintf(`\u%04x`, r)
		default:
			out += string(r)
		}
	}
	return out + `"`
}

func FuzzCheck(f *testing.F) {
	addVectors(f, "check", func(in string) { f.Add([]byte(in)) })
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		err := canonical.Check(in)
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
		if kindOf(t, err) != "" {
			return
		}
		out, err := canonical.Canonicalize(in)
		if err != nil || !bytes.Equal(in, out) {
			t.Errorf("Check accepts %q, Canonicalize makes it %q, %v", in, out, err)
		}
		if want := reference(decode(t, in)); string(in) != want {
			t.Errorf("Check accepts %q, encoding/json reads %q", in, want)
		}
	})
}

func FuzzCanonicalize(f *testing.F) {
	addVectors(f, "check", func(in string) { f.Add([]byte(in)) })
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := canonical.Canonicalize(in)
		if kindOf(t, err) != "" {
			if canonical.Check(in) == nil {
				t.Errorf("Check accepts %q, Canonicalize does not: %v", in, err)
			}
			return
		}
		if len(out) > len(in) {
			t.Errorf("%q grew to %q", in, out)
		}
		if err := canonical.Check(out); err != nil {
			t.Errorf("%q became %q: %v", in, out, err)
		}
		if diff := cmp.Diff(decode(t, in), decode(t, out)); diff != "" {
			t.Errorf("%q became %q: -in +out\n%s", in, out, diff)
		}
	})
}

func FuzzObject(f *testing.F) {
	f.Add("a", "text", int64(1), []byte{1, 2, 3})
	f.Add("Z_9", "\x00\x1f\"\\\u2028\U0001f600", int64(-canonical.MaxInt), []byte{})
	f.Add("key!", "\xff", int64(1)<<53, []byte{0})
	f.Fuzz(func(t *testing.T, key, text string, n int64, data []byte) {
		o := canonical.Begin(nil)
		o.Bytes(key, data)
		o.Int(key+"1", n)
		o.String(key+"2", text)
		got, err := o.End()
		if kindOf(t, err) != "" {
			if n <= canonical.MaxInt && n >= -canonical.MaxInt && utf8.ValidString(text) && key == "a" && len(text)+len(data) < 1000 {
				t.Errorf("refused: %v", err)
			}
			return
		}
		if err := canonical.Check(got); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		want := map[string]any{
			key:       canonical.EncodeBase64(data),
			key + "1": json.Number(fmt.Sprint(n)),
			key + "2": text,
		}
		if diff := cmp.Diff(any(want), decode(t, got)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func FuzzDecodeBase64(f *testing.F) {
	addVectors(f, "base64", func(in string) { f.Add(in) })
	f.Fuzz(func(t *testing.T, in string) {
		out, err := canonical.DecodeBase64(in)
		if kindOf(t, err) == "" && canonical.EncodeBase64(out) != in {
			t.Errorf("%q reads as %x, which is %q", in, out, canonical.EncodeBase64(out))
		}
		again, err := canonical.DecodeBase64(canonical.EncodeBase64([]byte(in)))
		if err != nil || string(again) != in {
			t.Errorf("%q does not survive: %q, %v", in, again, err)
		}
	})
}
