// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds one line of a file, in bytes.
const maxLine = 64 << 10

// ErrTorn says that the last line of a file has no end: its writer was killed in the middle. The records before it are
// good, and the torn one may be left out, because an invocation is written before its request is sent and a missing
// outcome counts as unknown.
var ErrTorn = errors.New("last line is torn")

// Encode writes the history to w as JSON lines.
func (h History) Encode(w io.Writer) error {
	buffered := bufio.NewWriter(w)
	enc := json.NewEncoder(buffered)
	for i := range h {
		if err := enc.Encode(&h[i]); err != nil {
			return fmt.Errorf("write record %d: %w", i, err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// Decode reads JSON lines up to the end of r. With an error that wraps ErrTorn it returns the whole records before the
// torn line; with any other error it returns nothing of use.
func Decode(r io.Reader) (History, error) {
	var h History
	lines := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return h, nil
		case errors.Is(err, io.EOF):
			return h, fmt.Errorf("line %d: %w", n, ErrTorn)
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		rec, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		h = append(h, rec)
	}
}

func parse(line []byte) (Record, error) {
	var rec Record
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rec); err != nil {
		return rec, fmt.Errorf("parse record: %w", err)
	}
	if dec.More() {
		return rec, errors.New("more than one record on the line")
	}
	switch rec.Op {
	case Invoke, OK, Fail, Unknown, Received, Read, Join, Leave, Quiet:
		return rec, nil
	default:
		return rec, fmt.Errorf("unknown operation %q", rec.Op)
	}
}

// Merge puts the histories of several processes together by time and keeps the order within each of them.
func Merge(parts ...History) History {
	total := 0
	var rest byTime
	for i, p := range parts {
		total += len(p)
		if len(p) > 0 {
			rest = append(rest, run{part: i, records: p})
		}
	}
	merged := make(History, 0, total)
	heap.Init(&rest)
	for len(rest) > 0 {
		head := &rest[0]
		merged = append(merged, head.records[0])
		head.records = head.records[1:]
		if len(head.records) == 0 {
			heap.Pop(&rest)
		} else {
			heap.Fix(&rest, 0)
		}
	}
	return merged
}

// run is what is left of one part during a merge.
type run struct {
	part    int
	records History
}

// byTime is a heap of runs by the time of their first record. Equal times keep the order of the parts.
type byTime []run

func (b byTime) Len() int      { return len(b) }
func (b byTime) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b *byTime) Push(x any)   { *b = append(*b, x.(run)) }

func (b byTime) Less(i, j int) bool {
	if b[i].records[0].At != b[j].records[0].At {
		return b[i].records[0].At < b[j].records[0].At
	}
	return b[i].part < b[j].part
}

func (b *byTime) Pop() any {
	last := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return last
}
