// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrepare_HeaderGrowsWithThePayload(t *testing.T) {
	cases := []struct {
		size int
		head []byte
	}{
		{0, []byte{0x81, 0}},
		{125, []byte{0x81, 125}},
		{126, []byte{0x81, 126, 0, 126}},
		{65535, []byte{0x81, 126, 0xFF, 0xFF}},
		{65536, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	}
	for _, c := range cases {
		payload := bytes.Repeat([]byte("x"), c.size)
		p := Prepare(payload)
		if !bytes.HasPrefix(p.frame, c.head) || p.Len() != len(c.head)+c.size {
			t.Errorf("%d bytes: frame % x of %d", c.size, p.frame[:len(c.head)], p.Len())
		}
		if !bytes.Equal(p.Payload(), payload) {
			t.Errorf("%d bytes: payload of %d", c.size, len(p.Payload()))
		}
	}
}

func TestPrepare_CopiesThePayload(t *testing.T) {
	payload := []byte("before")
	p := Prepare(payload)
	copy(payload, "after!")
	if got := string(p.Payload()); got != "before" {
		t.Errorf("payload changed to %q", got)
	}
}

func TestPrepared_ZeroHoldsNothing(t *testing.T) {
	var p Prepared
	if p.Len() != 0 || p.Payload() != nil {
		t.Errorf("%d bytes, %q", p.Len(), p.Payload())
	}
}

func TestCloseFrame_RoundTrip(t *testing.T) {
	cases := []struct {
		code       int
		reason     string
		wantCode   int
		wantReason string
	}{
		{1000, "", 1000, ""},
		{4000, "restart", 4000, "restart"},
		{4101, "resync", 4101, "resync"},
		{4599, "gone", 4599, "gone"},
		{1005, "ignored", 1005, ""},
		{1006, "x", 1011, "x"},
		{0, "x", 1011, "x"},
		{5000, "x", 1011, "x"},
		{-1, "x", 1011, "x"},
		{4000, "bad \xff", 4000, "bad ?"},
		{4000, strings.Repeat("a", 200), 4000, strings.Repeat("a", 123)},
		{4000, strings.Repeat("a", 122) + "ä", 4000, strings.Repeat("a", 122)},
	}
	for _, c := range cases {
		frame := closeFrame(c.code, c.reason)
		code, reason := parseClose(frame)
		if code != c.wantCode || reason != c.wantReason {
			t.Errorf("%d %q became %d %q", c.code, c.reason, code, reason)
		}
		if len(frame) > writerSize-1 || int(frame[1]) != len(frame)-2 {
			t.Errorf("%d %q: frame % x", c.code, c.reason, frame)
		}
	}
}

func FuzzCloseFrame(f *testing.F) {
	f.Add(4000, "reason")
	f.Add(1005, strings.Repeat("€", 50))
	f.Fuzz(func(t *testing.T, code int, reason string) {
		frame := closeFrame(code, reason)
		gotCode, gotReason := parseClose(frame)
		if len(frame) > 127 || !utf8.ValidString(gotReason) || (gotCode != codeNone && !sendable(gotCode)) {
			t.Errorf("%d %q encodes to % x", code, reason, frame)
		}
	})
}
