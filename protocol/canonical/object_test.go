// SPDX-License-Identifier: Apache-2.0

package canonical_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/canonical"
)

// write builds one object.
func write(build func(o *canonical.Object)) (string, error) {
	o := canonical.Begin(nil)
	build(&o)
	b, err := o.End()
	return string(b), err
}

func TestObject_WritesEveryKindOfValue(t *testing.T) {
	got, err := write(func(o *canonical.Object) {
		o.Bool("Flag", true)
		o.Bool("_no", false)
		o.Bytes("bytes", []byte{0xfb, 0xff, 0xbf, 0})
		o.Bytes("bytesNil", nil)
		o.Int("largest", canonical.MaxInt)
		o.Raw("list", []byte(`["a",{}]`))
		o.Int("smallest", -canonical.MaxInt)
		o.String("text", "a\"b\\c\u20ac\x1f\u2028/")
		o.String("textEmpty", "")
		o.Int("zero", 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Flag":true,"_no":false,"bytes":"-_-_AA","bytesNil":"","largest":9007199254740991,` +
		`"list":["a",{}],"smallest":-9007199254740991,"text":"a\"b\\c€\u001f` + "\u2028" + `/","textEmpty":"","zero":0}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if err := canonical.Check([]byte(got)); err != nil {
		t.Error(err)
	}
}

func TestObject_AppendsToTheBufferGiven(t *testing.T) {
	buf := append(make([]byte, 0, 64), "before"...)
	o := canonical.Begin(buf)
	o.Int("a", 1)
	got, err := o.End()
	if err != nil || string(got) != `before{"a":1}` {
		t.Fatalf("got %q, %v", got, err)
	}
	if &got[0] != &buf[0] {
		t.Error("a buffer that is large enough was not used")
	}
}

func TestObject_EmptyIsGood(t *testing.T) {
	got, err := write(func(*canonical.Object) {})
	if err != nil || got != `{}` {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestObject_RefusesMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		build func(o *canonical.Object)
		kind  canonical.Kind
	}{
		"keys out of order":   {func(o *canonical.Object) { o.Int("b", 1); o.Int("a", 1) }, canonical.KindKeyOrder},
		"capital after small": {func(o *canonical.Object) { o.Int("a", 1); o.Int("B", 1) }, canonical.KindKeyOrder},
		"key twice":           {func(o *canonical.Object) { o.Int("a", 1); o.Bool("a", true) }, canonical.KindDuplicateKey},
		"empty key":           {func(o *canonical.Object) { o.Int("", 1) }, canonical.KindBadKey},
		"key with a quote":    {func(o *canonical.Object) { o.Int(`a"`, 1) }, canonical.KindBadKey},
		"key beyond ASCII":    {func(o *canonical.Object) { o.Int("é", 1) }, canonical.KindBadKey},
		"key too long":        {func(o *canonical.Object) { o.Int(strings.Repeat("a", 65), 1) }, canonical.KindBadKey},
		"integer too large":   {func(o *canonical.Object) { o.Int("a", canonical.MaxInt+1) }, canonical.KindOutOfRange},
		"integer too small":   {func(o *canonical.Object) { o.Int("a", math.MinInt64) }, canonical.KindOutOfRange},
		"text not UTF-8":      {func(o *canonical.Object) { o.String("a", "x\xff") }, canonical.KindNotUTF8},
		"surrogate bytes":     {func(o *canonical.Object) { o.String("a", "\n\xed\xa0\x80") }, canonical.KindNotUTF8},
		"empty raw value":     {func(o *canonical.Object) { o.Raw("a", nil) }, canonical.KindSyntax},
		"too many members":    {func(o *canonical.Object) { fill(o, 257) }, canonical.KindTooManyMembers},
		"too large":           {func(o *canonical.Object) { o.String("a", strings.Repeat("x", canonical.MaxSize)) }, canonical.KindTooLarge},
	} {
		got, err := write(c.build)
		if kind := kindOf(t, err); kind != string(c.kind) || got != "" {
			t.Errorf("%s: got %q and %.40q, want %q", name, kind, got, c.kind)
		}
	}
}

func fill(o *canonical.Object, n int) {
	for i := range n {
		o.Int(fmt.Sprintf("k%03d", i), int64(i))
	}
}

func TestObject_GoesToTheLimitsThatCheckHas(t *testing.T) {
	wide, err := write(func(o *canonical.Object) { fill(o, canonical.MaxMembers) })
	if err != nil || canonical.Check([]byte(wide)) != nil {
		t.Errorf("%d members: %v", canonical.MaxMembers, err)
	}
	long, err := write(func(o *canonical.Object) { o.String("a", strings.Repeat("x", canonical.MaxSize-8)) })
	if err != nil || len(long) != canonical.MaxSize || canonical.Check([]byte(long)) != nil {
		t.Errorf("%d bytes: %v", len(long), err)
	}
}

func TestObject_ReportsTheFirstMistake(t *testing.T) {
	_, err := write(func(o *canonical.Object) {
		o.Int("b", 1)
		o.String("a", "\xff")
		o.Int("a", math.MaxInt64)
	})
	want := &canonical.Error{Kind: canonical.KindKeyOrder, Offset: len(`{"b":1`)}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestObject_DoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 1024)
	hash := make([]byte, 32)
	n := testing.AllocsPerRun(100, func() {
		b, err := entryLike(buf, hash)
		if err != nil {
			t.Fatal(err)
		}
		canonical.Hash("entry", b)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAppendString_EscapesEveryCharacterAsCanonicalizeDoes(t *testing.T) {
	for r := range rune(0x300) {
		text, err := canonical.AppendString([]byte(`{"s":`), "a"+string(r)+"b")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '}')
		if err := canonical.Check(text); err != nil {
			t.Errorf("%U: %s: %v", r, text, err)
		}
		var back struct{ S string }
		if err := json.Unmarshal(text, &back); err != nil || back.S != "a"+string(r)+"b" {
			t.Errorf("%U: reads as %q, %v", r, back.S, err)
		}
	}
}

func TestAppendString_LeavesTheBufferOnError(t *testing.T) {
	got, err := canonical.AppendString([]byte("x"), "ab\xff")
	want := &canonical.Error{Kind: canonical.KindNotUTF8, Offset: 2}
	if diff := cmp.Diff(error(want), err); diff != "" || string(got) != "x" {
		t.Errorf("got %q; -want +got\n%s", got, diff)
	}
}
