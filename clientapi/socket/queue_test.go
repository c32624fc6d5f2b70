// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"strings"
	"testing"
)

func frameOf(n int, fill string) []byte { return []byte(strings.Repeat(fill, n)) }

func TestQueue_TakesControlFirstThenDataThenTheCloseFrame(t *testing.T) {
	q := queue{bye: []byte("bye"), ping: true, pong: []byte("pong")}
	q.push([]byte("a"), 10, 100)
	q.push([]byte("b"), 10, 100)
	out, b := q.take()
	if string(out) != "pong\x89\x00abbye" || b == nil {
		t.Fatalf("took %q", out)
	}
	if out, _ := q.take(); out != nil {
		t.Fatalf("then took %q", out)
	}
	if q.frames != nil || q.size != 0 {
		t.Errorf("an empty queue holds %d frames, %d bytes", len(q.frames), q.size)
	}
}

func TestQueue_OneFrameIsNotCopied(t *testing.T) {
	var q queue
	frame := frameOf(100, "x")
	q.push(frame, 10, 1000)
	out, b := q.take()
	if b != nil || &out[0] != &frame[0] {
		t.Error("a single frame was copied")
	}
}

func TestQueue_BatchesHaveABound(t *testing.T) {
	var q queue
	var want []byte
	for i, n := range []int{9000, 7384, 1, batchSize + 5, 10, batchSize} {
		f := frameOf(n, string(rune('a'+i)))
		want = append(want, f...)
		q.push(f, 10, 1<<20)
	}
	var got []byte
	var sizes []int
	for out, b := q.take(); out != nil; out, b = q.take() {
		got = append(got, out...)
		sizes = append(sizes, len(out))
		if b != nil && len(out) > batchSize {
			t.Errorf("batch of %d", len(out))
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("bytes were lost or reordered")
	}
	if len(sizes) != 5 || sizes[0] != batchSize || sizes[2] != batchSize+5 {
		t.Errorf("writes of %d", sizes)
	}
}

func TestQueue_Bounds(t *testing.T) {
	var q queue
	if !q.push(frameOf(500, "x"), 2, 100) {
		t.Error("an empty queue refused a large frame")
	}
	if q.push(frameOf(1, "x"), 2, 100) {
		t.Error("the bound of bytes was exceeded")
	}
	q.discard()
	for range 2 {
		if !q.push(frameOf(50, "x"), 2, 100) {
			t.Error("a frame within the bounds was refused")
		}
	}
	if q.push(nil, 2, 100) {
		t.Error("the bound of frames was exceeded")
	}
	if q.take(); q.size != 0 || !q.push(frameOf(100, "x"), 2, 100) {
		t.Error("what was taken still counts")
	}
}
