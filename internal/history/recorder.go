// SPDX-License-Identifier: Apache-2.0

package history

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
)

// Recorder collects the history of the clients of one process. All methods are safe for many goroutines, but the
// calls for one device must not race with each other where their order matters.
type Recorder struct {
	now func() int64
	w   io.Writer

	mu      sync.Mutex
	records History
	err     error
}

// NewRecorder returns a Recorder that keeps the history in memory. The clock now gives nanoseconds; see MachineClock.
func NewRecorder(now func() int64) *Recorder {
	return &Recorder{now: now}
}

// NewStreamRecorder returns a Recorder that keeps nothing and writes each record to w as one JSON line with one call
// of Write, before the method returns, so that a killed process loses at most the line it was writing. Write is called
// by many goroutines at once; an *os.File opened with O_APPEND suits, one per run of a process. See Err.
func NewStreamRecorder(w io.Writer, now func() int64) *Recorder {
	return &Recorder{now: now, w: w}
}

// Now returns the Recorder's time, for Reading.InvokedAt.
func (r *Recorder) Now() int64 { return r.now() }

// Invoke records that an attempt to send s begins. It must return before the request leaves. A retry of the same
// tempId is invoked again.
func (r *Recorder) Invoke(s Send) { r.add(s.record(Invoke, r.now())) }

// OK records that s was acknowledged with this seq and messageID.
func (r *Recorder) OK(s Send, seq int64, messageID string) {
	rec := s.record(OK, r.now())
	rec.Seq, rec.MessageID = seq, messageID
	r.add(rec)
}

// Accepted records that s was taken over by the sender's server, which promised to tell what becomes of it.
func (r *Recorder) Accepted(s Send) { r.add(s.record(Accepted, r.now())) }

// Fail records that the attempt certainly did nothing, such as a refusal; of an accepted send, that nothing will become of
// it. When in doubt use Unknown.
func (r *Recorder) Fail(s Send) { r.add(s.record(Fail, r.now())) }

// Unknown records that the attempt may have been done or not: a timeout, a lost connection, an answer to retry.
func (r *Recorder) Unknown(s Send) { r.add(s.record(Unknown, r.now())) }

// Received records an entry that reached a reader, in the order in which the reader saw it, before any de-duplication.
func (r *Recorder) Received(v Reception) {
	rec := v.record(Received, v.At)
	rec.Source, rec.Seq, rec.MessageID, rec.TempID, rec.Sender = v.Source, v.Seq, v.MessageID, v.TempID, v.Sender
	r.add(rec)
}

// Read records a page that was asked for at InvokedAt and came at ReturnedAt. The entries of the page are recorded
// with Received if the reader takes them over.
func (r *Recorder) Read(v Reading) {
	rec := v.record(Read, v.ReturnedAt)
	rec.From, rec.To, rec.Head, rec.InvokedAt = v.From, v.To, v.Head, v.InvokedAt
	r.add(rec)
}

// Join records the first seq the reader may see. From then on the reader must hold everything from there at the end
// of each quiet period. A later Join of a reader that has not left can only lower the first seq.
func (r *Recorder) Join(reader Reader, first int64) {
	rec := reader.record(Join, r.now())
	rec.Seq = first
	r.add(rec)
}

// Leave records the last seq the reader may see until it joins again. Nothing more is demanded of it until then.
func (r *Recorder) Leave(reader Reader, last int64) {
	rec := reader.record(Leave, r.now())
	rec.Seq = last
	r.add(rec)
}

// Quiet records the end of a quiet period for one device, or for all with device "". It promises that nothing was in
// flight and that these readers were connected and had the time they need, so they must hold everything acknowledged
// so far; and everything in the final log if no Invoke, Join or Leave is recorded anywhere afterwards.
func (r *Recorder) Quiet(device string) {
	r.add(Record{Op: Quiet, Device: device, At: r.now()})
}

// History returns a copy of what was kept in memory.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// Err returns the first error of a stream, after which the history is of no use as evidence of loss.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *Recorder) add(rec Record) {
	if rec.At == 0 {
		rec.At = r.now()
	}
	if r.w != nil {
		r.write(rec)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, rec)
}

func (r *Recorder) write(rec Record) {
	line, err := json.Marshal(rec)
	if err == nil {
		_, err = r.w.Write(append(line, '\n'))
	}
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = fmt.Errorf("record %s of %s: %w", rec.Op, rec.Device, err)
	}
}

func (s Send) record(op Op, at int64) Record {
	return Record{Op: op, At: at, Device: s.Device, User: s.User, Conversation: s.Conversation, TempID: s.TempID}
}

func (r Reader) record(op Op, at int64) Record {
	return Record{Op: op, At: at, Device: r.Device, User: r.User, Conversation: r.Conversation}
}
