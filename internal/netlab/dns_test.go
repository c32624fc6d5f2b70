// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

// ask is a question as resolvers write it.
func ask(name string, kind, class byte) []byte {
	out := []byte{0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0}
	for label := range strings.SplitSeq(name, ".") {
		out = append(append(out, byte(len(label))), label...)
	}
	return append(out, 0, 0, kind, 0, class)
}

func TestParseQuestion(t *testing.T) {
	good := ask("B.Test", 1, 1)
	q, err := parseQuestion(append(good, "an additional record"...))
	if err != nil || q.id != 0x1234 || q.opcode != 0 || q.name != "b.test" || q.kind != 1 || q.class != 1 || !bytes.Equal(q.raw, good[12:]) {
		t.Errorf("got %+v, %v", q, err)
	}
	for size := range good {
		if _, err := parseQuestion(good[:size]); err == nil {
			t.Errorf("%d bytes of %d are a question", size, len(good))
		}
	}
	for what, change := range map[string]func(m []byte) []byte{
		"an answer":       func(m []byte) []byte { m[2] |= 0x80; return m },
		"two questions":   func(m []byte) []byte { m[5] = 2; return m },
		"a pointer":       func(m []byte) []byte { m[12] = 0xc0; return m },
		"a name too long": func([]byte) []byte { return ask(strings.Repeat("abcdefg.", 40)+"test", 1, 1) },
	} {
		if _, err := parseQuestion(change(bytes.Clone(good))); err == nil {
			t.Errorf("%s is a question", what)
		}
	}
}

func TestZone_AnswersWithTheCode(t *testing.T) {
	z := newZone()
	z.setA("A.test", netip.MustParseAddr("44.128.1.2"))
	for _, c := range []struct {
		name          string
		kind, class   byte
		code, records byte
	}{
		{"a.test", typeA, classIN, codeOK, 1},
		{"A.TEST", typeA, classIN, codeOK, 1},
		{"a.test", 28, classIN, codeOK, 0},
		{"a.test", typeSRV, classIN, codeOK, 0},
		{"test", typeA, classIN, codeOK, 0},
		{"b.test", typeA, classIN, codeNoName, 0},
		{"ba.test", typeA, classIN, codeNoName, 0},
		{"a.test", typeA, 3, codeNotImplemented, 0},
	} {
		q, err := parseQuestion(ask(c.name, c.kind, c.class))
		if err != nil {
			t.Fatal(err)
		}
		got := z.reply(q)
		if !bytes.Equal(got[:3], []byte{0x12, 0x34, 0x85}) || got[3] != 0x80|c.code || got[7] != c.records {
			t.Errorf("%+v: %x", c, got)
		}
	}
}

func FuzzParseQuestion(f *testing.F) {
	f.Add(ask("a.test", typeA, classIN))
	f.Add(ask("_parley._tcp.a.test", typeSRV, classIN))
	f.Fuzz(func(t *testing.T, m []byte) {
		q, err := parseQuestion(m)
		if err != nil {
			return
		}
		if got := q.answer(codeNoName, nil); len(got) != headerSize+len(q.raw) || !bytes.Contains(got, q.raw) {
			t.Errorf("%x is answered by %x", m, got)
		}
	})
}

func TestDestination(t *testing.T) {
	packet := make([]byte, 20)
	packet[0], packet[16], packet[19] = 0x45, 44, 7
	if to, ok := destination(packet); !ok || to != netip.AddrFrom4([4]byte{44, 0, 0, 7}) {
		t.Errorf("got %s, %v", to, ok)
	}
	if _, ok := destination(packet[:19]); ok {
		t.Error("half a header has a destination")
	}
	packet[0] = 0x60
	if _, ok := destination(packet); ok {
		t.Error("IPv6 has a destination")
	}
}
