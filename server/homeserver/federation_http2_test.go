// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley.chat/federation/auth"
	"parley.chat/federation/peer"
	"parley.chat/internal/testenv"
)

// In HTTP/2 a request can name two hosts, :authority for the router and host for the library that verifies. No client of the
// standard library sends that, so the frames are made by hand.
func TestFederation_TwoHostsInOneRequestOfHTTP2AreRefused(t *testing.T) {
	net := testenv.NewFederation(t)
	a, b := net.Start("a.test"), net.Start("b.test")
	mustPing(t, a, "b.test")
	for _, c := range []struct {
		name, authority, host, signedFor string
		good                             bool
	}{
		{"one host", "b.test", "", "b.test", true},
		{"the same twice", "b.test", "b.test", "b.test", true},
		{"the router's is another", "c.test", "b.test", "b.test", false},
		{"the library's is another", "b.test", "c.test", "c.test", false},
		{"the verified one is another", "b.test", "c.test", "b.test", false},
	} {
		r, err := http.NewRequest(http.MethodPost, "https://b.test"+peer.PingPath, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Home.RequestAuth().Sign(r, "b.test", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		status := askHTTP2(t, net, b.URL, c.authority, c.host, r.Header)
		if c.good != (status == "200") || !c.good && status != "401" && status != "400" {
			t.Errorf("%s: status %s", c.name, status)
		}
	}
}

// askHTTP2 sends one POST of {} and returns the status of the answer.
func askHTTP2(t *testing.T, net *testenv.Federation, address, authority, host string, h http.Header) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: net.Roots, ServerName: "b.test", NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var block []byte
	field := func(name, value string) { // A literal without indexing, names and values without Huffman.
		block = append(block, 0)
		for _, s := range []string{name, value} {
			if len(s) < 127 {
				block = append(block, byte(len(s)))
			} else {
				block = binary.AppendUvarint(append(block, 127), uint64(len(s)-127))
			}
			block = append(block, s...)
		}
	}
	field(":method", "POST")
	field(":scheme", "https")
	field(":path", peer.PingPath)
	field(":authority", authority)
	if host != "" {
		field("host", host)
	}
	for _, name := range []string{"Signature", "Digest", auth.HeaderOrigin, auth.HeaderDestination, auth.HeaderNonce} {
		field(strings.ToLower(name), h.Get(name))
	}
	out := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	out = append(out, frameHTTP2(4, 0, 0, nil)...)   // SETTINGS
	out = append(out, frameHTTP2(1, 4, 1, block)...) // HEADERS, END_HEADERS
	out = append(out, frameHTTP2(0, 1, 1, []byte("{}"))...)
	if _, err := conn.Write(out); err != nil {
		t.Fatal(err)
	}
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatalf("read answer: %v", err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		switch head[3] {
		case 1: // The status comes first: indexed for the usual ones, else a literal with Huffman coding or without.
			return statusHTTP2(payload)
		case 3, 7:
			return "reset"
		}
	}
}

func frameHTTP2(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	out := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return append(binary.BigEndian.AppendUint32(out, stream), payload...)
}

// statusHTTP2 reads the first field of a header block: 200, 400 and 404 are in the static table, 401 comes as a literal.
func statusHTTP2(block []byte) string {
	switch block[0] {
	case 0x88:
		return "200"
	case 0x8c:
		return "400"
	case 0x8d:
		return "404"
	}
	if block[0]&0xc0 == 0x40 && string(block[1:4]) == "\x82\x68\x01" { // A literal, Huffman of "401".
		return "401"
	}
	return "unknown"
}
