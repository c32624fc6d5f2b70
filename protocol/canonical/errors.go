// SPDX-License-Identifier: Apache-2.0

package canonical

import "strconv"

// Kind names the rule that was broken. The strings are stable: the vectors and other implementations use them.
type Kind string

// The kinds of error.
const (
	KindTooLarge       Kind = "too_large"            // More than MaxSize bytes.
	KindNotUTF8        Kind = "not_utf8"             // Bytes that are not UTF-8.
	KindBOM            Kind = "byte_order_mark"      // The text begins with U+FEFF.
	KindSyntax         Kind = "syntax"               // Not JSON as in RFC 8259.
	KindNotObject      Kind = "not_object"           // The value at the top is not an object.
	KindTrailingData   Kind = "trailing_data"        // Something other than white space follows the object.
	KindTooDeep        Kind = "too_deep"             // Nested deeper than MaxDepth.
	KindTooManyMembers Kind = "too_many_members"     // An object with more than MaxMembers members.
	KindBadKey         Kind = "bad_key"              // A key that is not [A-Za-z0-9_]{1,64}.
	KindDuplicateKey   Kind = "duplicate_key"        // A key that stands twice in one object.
	KindLoneSurrogate  Kind = "lone_surrogate"       // An escape that is half of a surrogate pair.
	KindNotInteger     Kind = "number_not_integer"   // A number with a fraction or an exponent.
	KindNegativeZero   Kind = "number_negative_zero" // The number -0.
	KindOutOfRange     Kind = "number_out_of_range"  // An integer beyond MaxInt or below -MaxInt.
	KindNotCanonical   Kind = "not_canonical"        // A good object in another spelling than the canonical one.
	KindKeyOrder       Kind = "key_order"            // Only from Object: keys not given in ascending order.
	KindBadBase64      Kind = "bad_base64"           // Only from DecodeBase64: not the canonical spelling.
)

// Error says which rule an input breaks and where. It never holds any of the input.
type Error struct {
	Kind   Kind
	Offset int // In bytes; a place at or before the fault. For Object, in the output.
}

// Error returns kind and offset.
func (e *Error) Error() string {
	return "signed json: " + string(e.Kind) + " at offset " + strconv.Itoa(e.Offset)
}

func fail(kind Kind, offset int) *Error {
	return &Error{Kind: kind, Offset: offset}
}
