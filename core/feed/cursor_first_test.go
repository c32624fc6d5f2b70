// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"parley.chat/core/timeline"
)

func TestCursor_OfTheFirstVersionStartsAccountDataAnew(t *testing.T) {
	const alice = "alice@example.org"
	realm := []byte("test")
	buf := append([]byte{cursorFirst}, owner(realm, alice)...)
	buf = append(buf, 1, 2) // One shard: number 2.
	buf = appendPosition(buf, timeline.Position{Pos: 7, Mark: 3})
	buf = binary.BigEndian.AppendUint32(buf, crc32.ChecksumIEEE(buf))
	c, err := decodeCursor(base64.RawURLEncoding.EncodeToString(buf), realm, alice, shards)
	if err != nil || c.account != 0 || c.at[2] != (timeline.Position{Pos: 7, Mark: 3}) {
		t.Fatalf("decoded %+v %v", c, err)
	}
	c.account = 300
	again, err := decodeCursor(c.encode(realm, alice), realm, alice, shards)
	if err != nil || again.account != 300 || again.at[2] != c.at[2] {
		t.Errorf("encoded and decoded %+v %v", again, err)
	}
}
