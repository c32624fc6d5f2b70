// SPDX-License-Identifier: Apache-2.0

package canonical

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// Object writes one canonical object into a caller's buffer, without allocating if the buffer is large enough.
// Keys must be given in ascending order of bytes. A mistake does not stop the writing; End returns the first one.
// An Object must be made with Begin and not be copied while in use.
type Object struct {
	buf     []byte
	start   int
	last    string
	members int
	kind    Kind // The first fault, if any, and its place.
	at      int
}

// Begin starts an object that is appended to buf. The Object owns buf until End.
func Begin(buf []byte) Object {
	return Object{buf: append(buf, '{'), start: len(buf)}
}

// String adds a string. Text that is not UTF-8 is a mistake.
func (o *Object) String(key, v string) {
	o.key(key)
	buf, ok := appendString(o.buf, v)
	if !ok {
		o.fail(KindNotUTF8)
	}
	o.buf = buf
}

// Int adds an integer. One beyond MaxInt or below -MaxInt is a mistake.
func (o *Object) Int(key string, v int64) {
	o.key(key)
	if v > MaxInt || v < -MaxInt {
		o.fail(KindOutOfRange)
	}
	o.buf = strconv.AppendInt(o.buf, v, 10)
}

// Bool adds true or false.
func (o *Object) Bool(key string, v bool) {
	o.key(key)
	o.buf = strconv.AppendBool(o.buf, v)
}

// Bytes adds v as a string of base64url without padding.
func (o *Object) Bytes(key string, v []byte) {
	o.key(key)
	o.buf = append(o.buf, '"')
	o.buf = base64.RawURLEncoding.AppendEncode(o.buf, v)
	o.buf = append(o.buf, '"')
}

// Raw adds a value that is canonical already, such as an object made by another Object or an array of strings made
// with AppendString. The caller vouches for it; only an empty one is found to be a mistake.
func (o *Object) Raw(key string, canonicalValue []byte) {
	o.key(key)
	if len(canonicalValue) == 0 {
		o.fail(KindSyntax)
	}
	o.buf = append(o.buf, canonicalValue...)
}

// End closes the object and returns the buffer given to Begin with the object appended, or the first mistake as an
// *Error. The Object must not be used afterwards.
func (o *Object) End() ([]byte, error) {
	o.buf = append(o.buf, '}')
	if len(o.buf)-o.start > MaxSize {
		o.fail(KindTooLarge)
	}
	if o.kind != "" {
		return nil, fail(o.kind, o.at)
	}
	return o.buf, nil
}

func (o *Object) key(key string) {
	if key <= o.last || !isKey(key) {
		o.badKey(key)
	}
	if o.members == MaxMembers {
		o.fail(KindTooManyMembers)
	}
	if o.members > 0 {
		o.buf = append(o.buf, ',')
	}
	o.last = key
	o.members++
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, key...)
	o.buf = append(o.buf, '"', ':')
}

func (o *Object) badKey(key string) {
	switch {
	case !isKey(key):
		o.fail(KindBadKey)
	case key == o.last:
		o.fail(KindDuplicateKey)
	default:
		o.fail(KindKeyOrder)
	}
}

func (o *Object) fail(kind Kind) {
	if o.kind == "" {
		o.kind, o.at = kind, len(o.buf)-o.start
	}
}

// AppendString appends v as a canonical JSON string to dst, for values that are given to Object.Raw. If v is not
// UTF-8 it returns dst unchanged and an *Error.
func AppendString(dst []byte, v string) ([]byte, error) {
	out, ok := appendString(dst, v)
	if !ok {
		return dst, fail(KindNotUTF8, firstInvalid([]byte(v)))
	}
	return out, nil
}

// appendString escapes as in RFC 8785 §3.2.2.2: only what JSON demands, in its shortest form.
func appendString(dst []byte, v string) (out []byte, ok bool) {
	ascii := true
	done := 0
	dst = append(dst, '"')
	for i := range len(v) {
		c := v[i]
		if c >= ' ' && c != '"' && c != '\\' {
			ascii = ascii && c < utf8.RuneSelf
			continue
		}
		dst = append(dst, v[done:i]...)
		dst = appendEscape(dst, c)
		done = i + 1
	}
	dst = append(dst, v[done:]...)
	return append(dst, '"'), ascii || utf8.ValidString(v)
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
