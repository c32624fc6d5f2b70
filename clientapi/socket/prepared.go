// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"encoding/binary"
	"math"
)

// First bytes of a final frame, by kind (RFC 6455 section 5.2).
const (
	finText  = 0x81
	finClose = 0x88
	finPing  = 0x89
	finPong  = 0x8A
)

// Prepared is one text message encoded as a complete, unmasked RFC 6455 frame, made once and written to any number of
// connections. It is immutable and safe for concurrent use. The zero Prepared holds no frame and is never sent.
type Prepared struct {
	frame []byte
}

// Prepare encodes payload, which must be valid UTF-8, as one text frame. It copies payload.
func Prepare(payload []byte) Prepared {
	n := len(payload)
	frame := make([]byte, 0, 10+n)
	switch {
	case n < 126:
		frame = append(frame, finText, byte(n))
	case n <= math.MaxUint16:
		frame = append(frame, finText, 126)
		frame = binary.BigEndian.AppendUint16(frame, uint16(n))
	default:
		frame = append(frame, finText, 127)
		frame = binary.BigEndian.AppendUint64(frame, uint64(n))
	}
	return Prepared{frame: append(frame, payload...)}
}

// Payload returns the message without its frame header. The caller must not change it.
func (p Prepared) Payload() []byte {
	if len(p.frame) < 2 {
		return nil
	}
	switch p.frame[1] {
	case 126:
		return p.frame[4:]
	case 127:
		return p.frame[10:]
	default:
		return p.frame[2:]
	}
}

// Len returns the bytes the message takes on the wire and in a queue: frame header and payload.
func (p Prepared) Len() int { return len(p.frame) }
