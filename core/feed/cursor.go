// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Cursor is a place in a user's feed: for each shard the position up to which everything was sent. spec: SYNC-CURSOR-1
type Cursor struct {
	at      map[id.Shard]timeline.Position
	account int64  // version of the account data
	page    *place // not nil within a sequence of pages
}

// place is where the next page goes on: in this shard, after this position of a head, towards upto.
type place struct {
	shard id.Shard
	after int64
	upto  timeline.Position
}

func newCursor() Cursor { return Cursor{at: map[id.Shard]timeline.Position{}} }

func (c Cursor) clone() Cursor { return Cursor{at: maps.Clone(c.at), account: c.account, page: c.page} }

// A cursor of the first version has no version of the account data: all of it is sent again.
const (
	cursorVersion = 2
	cursorFirst   = 1
)

// encode makes the opaque form. It names the user and the realm (the deployment), so that no other takes it for its own.
func (c Cursor) encode(realm []byte, u id.User) string {
	buf := append([]byte{cursorVersion}, owner(realm, u)...)
	buf = binary.AppendUvarint(buf, uint64(len(c.at)))
	last := id.Shard(0)
	for _, n := range slices.Sorted(maps.Keys(c.at)) {
		buf = binary.AppendUvarint(buf, uint64(n-last))
		buf = appendPosition(buf, c.at[n])
		last = n
	}
	buf = binary.AppendUvarint(buf, uint64(c.account))
	if c.page != nil {
		buf = binary.AppendUvarint(buf, uint64(c.page.shard))
		buf = binary.AppendUvarint(buf, uint64(c.page.after+1)) // -1 is before the first.
		buf = appendPosition(buf, c.page.upto)
	}
	buf = binary.BigEndian.AppendUint32(buf, crc32.ChecksumIEEE(buf))
	return base64.RawURLEncoding.EncodeToString(buf)
}

func appendPosition(buf []byte, p timeline.Position) []byte {
	buf = binary.AppendUvarint(buf, uint64(p.Pos))
	return binary.AppendUvarint(buf, uint64(p.Mark))
}

func owner(realm []byte, u id.User) []byte {
	sum := sha256.Sum256(append(append([]byte("parley/v1/cursor\n"), realm...), u...))
	return sum[:8]
}

// decodeCursor reads what encode made for the same user; the empty string is the beginning. Anything else is InvalidCursor.
func decodeCursor(s string, realm []byte, u id.User, shards int) (Cursor, error) {
	if s == "" {
		return newCursor(), nil
	}
	bad := fault.New(fault.InvalidCursor, "the cursor was not made here for you; sync without one")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) < 14 || raw[0] != cursorVersion && raw[0] != cursorFirst {
		return Cursor{}, bad
	}
	body, sum := raw[:len(raw)-4], binary.BigEndian.Uint32(raw[len(raw)-4:])
	if crc32.ChecksumIEEE(body) != sum || string(body[1:9]) != string(owner(realm, u)) {
		return Cursor{}, bad
	}
	d := decoder{rest: body[9:]}
	c := d.cursor(shards, raw[0])
	if d.bad || len(d.rest) > 0 {
		return Cursor{}, bad
	}
	return c, nil
}

type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) cursor(shards int, version byte) Cursor {
	c := newCursor()
	count := d.number()
	last := int64(0)
	for i := int64(0); i < count && !d.bad; i++ {
		last += d.number()
		if last >= int64(shards) {
			d.bad = true
		}
		c.at[id.Shard(last)] = timeline.Position{Pos: d.number(), Mark: d.number()}
	}
	if version != cursorFirst {
		c.account = d.number()
	}
	if len(d.rest) > 0 && !d.bad {
		p := place{shard: id.Shard(d.number() & 0x7fffffff), after: d.number() - 1}
		p.upto = timeline.Position{Pos: d.number(), Mark: d.number()}
		c.page = &p
	}
	return c
}

func (d *decoder) number() int64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > 1<<62 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return int64(v)
}
