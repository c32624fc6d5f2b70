// SPDX-License-Identifier: Apache-2.0

package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"parley.chat/protocol/id"
)

// The kinds of tokens, recognisable in a leaked file.
const (
	accessPrefix       = "pa_"
	refreshPrefix      = "pr_"
	ticketPrefix       = "pk_"
	registrationPrefix = "pt_"
)

const tokenBytes = 2 + 32 // shard, secret

// newToken makes a token that says which shard knows it.
func newToken(prefix string, s id.Shard) (string, Hash) {
	var b [tokenBytes]byte
	binary.BigEndian.PutUint16(b[:2], uint16(s))
	_, _ = rand.Read(b[2:]) // Never fails: the runtime ends the process instead.
	text := prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return text, sha256.Sum256([]byte(text))
}

// parseToken tells the shard and the hash of a token. There is one spelling of each token.
func parseToken(prefix, text string, shards int) (id.Shard, Hash, bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != base64.RawURLEncoding.EncodedLen(tokenBytes) || strings.ContainsAny(rest, "\r\n") {
		return 0, Hash{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) != tokenBytes {
		return 0, Hash{}, false
	}
	s := id.Shard(binary.BigEndian.Uint16(b))
	return s, sha256.Sum256([]byte(text)), int(s) < shards
}

// Shard tells where a hash is kept that belongs to no user.
func (h Hash) Shard(count int) id.Shard {
	return id.Shard(binary.BigEndian.Uint64(h[:8]) & uint64(count-1))
}

// PhoneShard tells where a phone number is kept.
func PhoneShard(number string, count int) id.Shard {
	return Hash(sha256.Sum256([]byte(number))).Shard(count)
}
