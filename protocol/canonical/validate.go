// SPDX-License-Identifier: Apache-2.0

package canonical

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// validate checks all rules but the one of spelling.
func validate(b []byte) error {
	switch {
	case len(b) > MaxSize:
		return fail(KindTooLarge, MaxSize)
	case !utf8.Valid(b):
		return fail(KindNotUTF8, firstInvalid(b))
	case bytes.HasPrefix(b, []byte("\uFEFF")):
		return fail(KindBOM, 0)
	}
	w := walk{in: b, dec: jsontext.NewDecoder(bytes.NewBuffer(b))}
	return w.object()
}

func firstInvalid(b []byte) int {
	at := 0
	for at < len(b) {
		r, n := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at
}

// walk reads one input from beginning to end. Invalid escapes and duplicate keys are found by the decoder.
type walk struct {
	in  []byte
	dec *jsontext.Decoder
}

func (w *walk) object() error {
	switch w.dec.PeekKind() {
	case '[', '"', '0', 't', 'f', 'n':
		return fail(KindNotObject, int(w.dec.InputOffset()))
	}
	// What does not begin any JSON value is reported by the first step.
	for {
		if err := w.step(); err != nil {
			return err
		}
		if w.dec.StackDepth() == 0 {
			return w.end()
		}
	}
}

// step reads one token.
func (w *walk) step() error {
	switch w.dec.PeekKind() {
	case '{', '[':
		return w.open()
	case '"':
		return w.text()
	case '0':
		return w.number()
	default:
		if _, err := w.dec.ReadToken(); err != nil {
			return fail(syntaxKind(w.in, err))
		}
		return nil
	}
}

func (w *walk) open() error {
	if _, err := w.dec.ReadToken(); err != nil {
		return fail(syntaxKind(w.in, err))
	}
	if w.dec.StackDepth() > MaxDepth {
		return fail(KindTooDeep, int(w.dec.InputOffset())-1)
	}
	return nil
}

// text reads a string, which is a key if an object waits for one.
func (w *walk) text() error {
	kind, count := w.dec.StackIndex(w.dec.StackDepth())
	raw, err := w.dec.ReadValue()
	if err != nil {
		return fail(syntaxKind(w.in, err))
	}
	if kind != '{' || count%2 != 0 {
		return nil
	}
	at := int(w.dec.InputOffset()) - len(raw)
	if count/2 >= MaxMembers {
		return fail(KindTooManyMembers, at)
	}
	if !keyIsGood(raw) {
		return fail(KindBadKey, at)
	}
	return nil
}

// keyIsGood judges the key that the string literal raw stands for.
func keyIsGood(raw jsontext.Value) bool {
	if bytes.IndexByte(raw, '\\') < 0 {
		return isKey(raw[1 : len(raw)-1])
	}
	var scratch [MaxKey]byte
	key, err := jsontext.AppendUnquote(scratch[:0], raw)
	return err == nil && isKey(key)
}

func isKey[T ~[]byte | ~string](key T) bool {
	for i := range len(key) {
		c := key[i]
		if (c|0x20)-'a' >= 26 && c-'0' >= 10 && c != '_' {
			return false
		}
	}
	return len(key) >= 1 && len(key) <= MaxKey
}

func (w *walk) number() error {
	raw, err := w.dec.ReadValue()
	if err != nil {
		return fail(syntaxKind(w.in, err))
	}
	if kind := numberFault(raw); kind != "" {
		return fail(kind, int(w.dec.InputOffset())-len(raw))
	}
	return nil
}

// numberFault returns what is wrong with a number of the JSON grammar, or "". It judges the digits as they stand: a
// parser of floating point would round 9007199254740993 and 1e400 to numbers that look good.
func numberFault(raw jsontext.Value) Kind {
	const longest = len("-9007199254740991")
	if bytes.ContainsAny(raw, ".eE") {
		return KindNotInteger
	}
	if string(raw) == "-0" {
		return KindNegativeZero
	}
	if len(raw) > longest {
		return KindOutOfRange
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n > MaxInt || n < -MaxInt {
		return KindOutOfRange
	}
	return ""
}

// end checks that only white space follows the object.
func (w *walk) end() error {
	at := int(w.dec.InputOffset())
	rest := bytes.TrimLeft(w.in[at:], " \t\r\n")
	if len(rest) > 0 {
		return fail(KindTrailingData, len(w.in)-len(rest))
	}
	return nil
}

// syntaxKind translates an error of the decoder.
func syntaxKind(in []byte, err error) (Kind, int) {
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return KindSyntax, len(in)
	}
	at := min(int(syntax.ByteOffset), len(in))
	switch {
	case syntax.Err == jsontext.ErrDuplicateName:
		return KindDuplicateKey, at
	case syntax.Err != io.ErrUnexpectedEOF && isSurrogateEscape(in[at:]):
		return KindLoneSurrogate, at
	}
	return KindSyntax, at
}

// isSurrogateEscape reports whether b begins with an escape from \ud800 to \udfff. Where the decoder stops at one, it
// has no partner.
func isSurrogateEscape(b []byte) bool {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return err == nil && n >= 0xD800 && n <= 0xDFFF
}
