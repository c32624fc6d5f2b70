// SPDX-License-Identifier: Apache-2.0

package canonical_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/canonical"
)

func TestCheck_SaysWhereTheFaultIs(t *testing.T) {
	for _, c := range []struct {
		in     string
		kind   canonical.Kind
		offset int
	}{
		{``, canonical.KindSyntax, 0},
		{`[]`, canonical.KindNotObject, 0},
		{"{\"a\":\"\xff\"}", canonical.KindNotUTF8, 6},
		{"{\"a\":\"\ufffd\xff\"}", canonical.KindNotUTF8, 9},
		{`{"a":1,"b":1.0}`, canonical.KindNotInteger, 11},
		{`{"a":1,"b":-0}`, canonical.KindNegativeZero, 11},
		{`{"a":[1,9007199254740992]}`, canonical.KindOutOfRange, 8},
		{`{"a":1,"b-":1}`, canonical.KindBadKey, 7},
		{`{"a":1,"a":1}`, canonical.KindDuplicateKey, 7},
		{`{"a":"x\ud800"}`, canonical.KindLoneSurrogate, 7},
		{`{"a":1} {}`, canonical.KindTrailingData, 8},
		{`{"a":1, "b":2}`, canonical.KindNotCanonical, 7},
		{`{"a":1} `, canonical.KindNotCanonical, 7},
		{`{"a":` + strings.Repeat("[", 20), canonical.KindTooDeep, 20},
		{strings.Repeat("x", 70000), canonical.KindTooLarge, canonical.MaxSize},
	} {
		want := &canonical.Error{Kind: c.kind, Offset: c.offset}
		if diff := cmp.Diff(error(want), canonical.Check([]byte(c.in))); diff != "" {
			t.Errorf("%.30q: -want +got\n%s", c.in, diff)
		}
	}
}

func TestCheck_ReportsTheFirstOfSeveralFaults(t *testing.T) {
	for _, c := range []struct {
		in   string
		want canonical.Kind
	}{
		{strings.Repeat("\xff", canonical.MaxSize+1), canonical.KindTooLarge},
		{"\xef\xbb\xbf{\"a\":\"\xff\"}", canonical.KindNotUTF8},
		{"\xef\xbb\xbf[]", canonical.KindBOM},
		{`{"a":1.5,"b-":1`, canonical.KindNotInteger},
		{`{"b-":1.5}`, canonical.KindBadKey},
		{`{"b":1,"a":-0}x`, canonical.KindNegativeZero},
		{`{"b":1, "a":1}x`, canonical.KindTrailingData},
	} {
		if got := kindOf(t, canonical.Check([]byte(c.in))); got != string(c.want) {
			t.Errorf("%.30q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestError_HoldsNothingOfTheInput(t *testing.T) {
	err := canonical.Check([]byte(`{"secret":"hunter2","secret":1}`))
	if got, want := err.Error(), "signed json: duplicate_key at offset 20"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "secret") {
			t.Errorf("%q tells of the input", e)
		}
	}
}

func TestCanonicalize_ReturnsFreshMemory(t *testing.T) {
	in := []byte(`{"a":1}`)
	out, err := canonical.Canonicalize(in)
	if err != nil {
		t.Fatal(err)
	}
	in[2] = 'b'
	if string(out) != `{"a":1}` {
		t.Errorf("the output changed with the input: %s", out)
	}
}

func TestHash_ReadsAnyLength(t *testing.T) {
	// The longer input does not fit the scratch space, the shorter one does.
	long := []byte(strings.Repeat("x", 5000))
	if canonical.Hash("entry", long) == canonical.Hash("entry", long[:4999]) {
		t.Error("the end is not hashed")
	}
	if canonical.Hash("entry", long[:10]) == canonical.Hash("create", long[:10]) {
		t.Error("the domain is not hashed")
	}
}

func TestAppendMessage_KeepsWhatStandsBefore(t *testing.T) {
	got := canonical.AppendMessage([]byte("before "), "entry", []byte(`{"seq":1}`))
	if want := "before parley/v1/entry\n{\"seq\":1}"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDecodeBase64_SaysWhereTheFaultIs(t *testing.T) {
	for in, offset := range map[string]int{"Zm9": 2, "Zm\n9v": 2, "Zm9v Zm9v": 4, "Zm9v\n": 4} {
		_, err := canonical.DecodeBase64(in)
		want := &canonical.Error{Kind: canonical.KindBadBase64, Offset: offset}
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("%q: -want +got\n%s", in, diff)
		}
	}
}
