// SPDX-License-Identifier: Apache-2.0

package fanout

import "sync"

// Frame is one encoded frame, made once and shared by all its receivers. It is immutable and safe for concurrent use.
type Frame struct {
	typ     string
	payload []byte
	once    sync.Once
	wire    any
}

// NewFrame makes a frame of a whole JSON frame `{"type":typ,"data":…}`. It keeps payload, which must not change anymore.
func NewFrame(typ string, payload []byte) *Frame {
	return &Frame{typ: typ, payload: payload}
}

// Type is the frame's type.
func (f *Frame) Type() string { return f.typ }

// Payload is the whole JSON frame. It must not be changed.
func (f *Frame) Payload() []byte { return f.payload }

// Wire returns the form in which a transport sends the frame. The first call makes it of the payload; all others, on
// every connection, get the same. A process has one transport, so every caller must pass the same function.
func (f *Frame) Wire(prepare func(payload []byte) any) any {
	f.once.Do(func() { f.wire = prepare(f.payload) })
	return f.wire
}
