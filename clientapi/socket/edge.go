// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"encoding/binary"
	"math"
)

// edge follows the frames of the byte stream that passes through a wire, to know where one ends. It judges nothing;
// the library does.
type edge struct {
	head [14]byte // of the frame whose header is passing
	seen int      // bytes of head passed
	left int64    // bytes of payload still to pass
	open bool     // a fragmented message waits for its continuation
}

// atRest reports whether the stream stands between two messages.
func (e *edge) atRest() bool { return e.seen == 0 && e.left == 0 && !e.open }

// room returns how many bytes may pass in one piece without crossing from header to payload or from frame to frame.
func (e *edge) room() int {
	if e.left > 0 {
		return int(min(e.left, math.MaxInt32))
	}
	return e.headSize() - e.seen
}

func (e *edge) headSize() int {
	if e.seen < 2 {
		return 2
	}
	size := 2
	switch e.head[1] & 0x7F {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if e.head[1]&0x80 != 0 {
		size += 4
	}
	return size
}

// pass notes b, which is at most room long.
func (e *edge) pass(b []byte) {
	if e.left > 0 {
		e.left -= int64(len(b))
		return
	}
	e.seen += copy(e.head[e.seen:], b)
	if e.seen < 2 || e.seen < e.headSize() {
		return
	}
	e.seen = 0
	e.left = e.payload()
	if opcode := e.head[0] & 0x0F; opcode < 8 {
		e.open = e.head[0]&0x80 == 0
	}
}

func (e *edge) payload() int64 {
	switch n := e.head[1] & 0x7F; n {
	case 126:
		return int64(binary.BigEndian.Uint16(e.head[2:]))
	case 127:
		// The library refuses a length with the top bit set; until then it is just a long one.
		return int64(min(binary.BigEndian.Uint64(e.head[2:]), math.MaxInt64))
	default:
		return int64(n)
	}
}
