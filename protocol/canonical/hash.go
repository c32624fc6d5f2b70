// SPDX-License-Identifier: Apache-2.0

package canonical

import "crypto/sha256"

// AppendMessage appends the bytes that are hashed and signed for an object of the given type: "parley/v1/", the
// domain, a line feed, the canonical bytes. The domain is a constant of the protocol without line feeds, so no object
// of one type can stand in for one of another.
func AppendMessage(dst []byte, domain string, canonicalBytes []byte) []byte {
	dst = append(dst, "parley/v1/"...)
	dst = append(dst, domain...)
	dst = append(dst, '\n')
	return append(dst, canonicalBytes...)
}

// Hash returns the SHA-256 of AppendMessage(nil, domain, canonicalBytes). It does not check that the bytes are
// canonical.
func Hash(domain string, canonicalBytes []byte) [32]byte {
	var scratch [1024]byte // Keeps the usual object off the heap.
	return sha256.Sum256(AppendMessage(scratch[:0], domain, canonicalBytes))
}
