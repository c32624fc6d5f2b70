// SPDX-License-Identifier: Apache-2.0

package canonical

import (
	"encoding/base64"
	"errors"
)

// EncodeBase64 returns b in base64url without padding (RFC 4648 §5).
func EncodeBase64(b []byte) string {
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeBase64 returns the bytes that s stands for, or an *Error if s is not what EncodeBase64 makes of them. The
// decoder of the standard library skips line breaks and ignores the unused bits of the last character; a value with
// two spellings would slip past whoever compares or remembers it as text.
func DecodeBase64(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		at := len(s)
		if corrupt, ok := errors.AsType[base64.CorruptInputError](err); ok {
			at = min(int(corrupt), len(s))
		}
		return nil, fail(KindBadBase64, at)
	}
	var scratch [128]byte // Keeps hashes, keys and signatures off the heap.
	again := base64.RawURLEncoding.AppendEncode(scratch[:0], b)
	if string(again) != s {
		return nil, fail(KindBadBase64, firstDifference(s, again))
	}
	return b, nil
}
