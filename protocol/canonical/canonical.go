// SPDX-License-Identifier: Apache-2.0

package canonical

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of the profile.
const (
	MaxSize    = 64 << 10  // Bytes of one object.
	MaxDepth   = 16        // Levels of objects and arrays, the top object included.
	MaxMembers = 256       // Members of one object.
	MaxKey     = 64        // Bytes of a key.
	MaxInt     = 1<<53 - 1 // The largest integer; the smallest is -MaxInt.
)

// Check returns nil if b is an object of the profile in its canonical spelling, else an *Error. It keeps no
// reference to b.
func Check(b []byte) error {
	if err := validate(b); err != nil {
		return err
	}
	c, err := format(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(b, c) {
		return fail(KindNotCanonical, firstDifference(b, c))
	}
	return nil
}

// Canonicalize returns the canonical spelling of the object b in fresh memory, or an *Error if b breaks any rule of
// the profile but the one of spelling. MaxSize holds for b as it is given.
func Canonicalize(b []byte) ([]byte, error) {
	if err := validate(b); err != nil {
		return nil, err
	}
	return format(b)
}

// format spells a validated b canonically. Canonical text is never longer than the text it comes from.
func format(b []byte) ([]byte, error) {
	c, err := jsontext.AppendFormat(make([]byte, 0, len(b)), b,
		jsontext.CanonicalizeRawInts(true),
		jsontext.ReorderRawObjects(true))
	if err != nil {
		return nil, fail(syntaxKind(b, err))
	}
	return c, nil
}

// firstDifference returns the offset of the first byte of b that is not the byte of c at that place.
func firstDifference[A, B []byte | string](b A, c B) int {
	n := min(len(b), len(c))
	for i := range n {
		if b[i] != c[i] {
			return i
		}
	}
	return n
}
