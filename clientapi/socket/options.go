// SPDX-License-Identifier: Apache-2.0

package socket

import "time"

// Options are the bounds and callbacks of one connection. A zero bound stands for its default and a nil callback for
// one that does nothing. Callbacks may use the Conn; the next OnMessage and OnClose wait until they return.
type Options struct {
	// Subprotocol must be among those the client offers and is the only one selected. Empty: none is negotiated.
	Subprotocol string
	// ReadLimit is the size in bytes of the largest message accepted (default 128 KiB). A larger one is closed with
	// 1009 after OnTooLarge.
	ReadLimit int64
	// PingEvery is the longest time between two pings (default 30 s); each interval is shortened by up to a fifth.
	PingEvery time.Duration
	// DeadAfter is the silence after which the peer is dropped (default 60 s). Any byte received ends a silence.
	DeadAfter time.Duration
	// WriteTimeout bounds one write, the flush before a close frame, and the wait for the peer's answer to it
	// (default 10 s).
	WriteTimeout time.Duration
	// QueueFrames and QueueBytes bound the pending frames (defaults 256 and 1 MiB). At most 16 KiB or one frame more
	// is in the hands of the writer. One frame is always accepted when nothing is pending, whatever its size.
	QueueFrames, QueueBytes int
	// OriginPatterns are hosts, or scheme://host, allowed in Origin besides the request's own host. They are matched
	// as by path.Match, ignoring case. A request without Origin is allowed.
	OriginPatterns []string

	// OnMessage is called with each text message, in order, one at a time, on a goroutine of the connection. The
	// slice is valid during the call only. Nothing is read meanwhile, which is the back-pressure on the peer.
	OnMessage func([]byte)
	// OnUnreadable is called on the goroutine of OnMessage, in its place, with a binary message or one that is not UTF-8.
	// After the latter the connection is closed with 1007, as RFC 6455 section 8.1 wants; a binary message closes it with
	// 1003 only if this is nil.
	OnUnreadable func()
	// OnTooLarge is called on the goroutine of OnMessage when a message exceeds ReadLimit. What it sends goes out
	// before the connection is closed with 1009.
	OnTooLarge func()
	// OnOverflow is called on a goroutine of its own after a queue bound was hit and the pending frames were
	// discarded, once per overflow and never concurrently with itself. From the overflow until the call begins every
	// Send is refused.
	OnOverflow func()
	// OnClose is called exactly once, after everything else of the connection has ended. The code is that of the
	// close frame sent or received first, 1005 if that had none, or 1006 if the connection was lost without one.
	OnClose func(code int, reason string)
}

func (o Options) withDefaults() Options {
	orDefault(&o.ReadLimit, 128<<10)
	orDefault(&o.PingEvery, 30*time.Second)
	orDefault(&o.DeadAfter, 60*time.Second)
	orDefault(&o.WriteTimeout, 10*time.Second)
	orDefault(&o.QueueFrames, 256)
	orDefault(&o.QueueBytes, 1<<20)
	if o.OnMessage == nil {
		o.OnMessage = func([]byte) {}
	}
	if o.OnTooLarge == nil {
		o.OnTooLarge = func() {}
	}
	if o.OnOverflow == nil {
		o.OnOverflow = func() {}
	}
	if o.OnClose == nil {
		o.OnClose = func(int, string) {}
	}
	return o
}

func orDefault[T int | int64 | time.Duration](v *T, standard T) {
	if *v <= 0 {
		*v = standard
	}
}
