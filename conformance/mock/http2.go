// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// ErrReset says that the server ended the stream or the connection instead of answering.
var ErrReset = errors.New("the server reset the stream")

// SendHTTP2 sends the request in HTTP/2 with an :authority, and a host beside it unless that is "". No client of the
// standard library would send two, so the frames are made by hand. The answer has no status and no header.
func (w Way) SendHTTP2(ctx context.Context, r *Request, authority, host string) (*Answer, error) {
	conn, err := w.Dial(ctx, "h2")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(sendTime))
	fields := [][2]string{{":method", r.Method}, {":scheme", "https"}, {":path", r.Target}, {":authority", authority}}
	if host != "" {
		fields = append(fields, [2]string{"host", host})
	}
	out := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	out = append(out, frame(4, 0, 0, nil)...)                                // SETTINGS
	out = append(out, frame(1, 4, 1, block(append(fields, r.Header...)))...) // HEADERS, END_HEADERS
	out = append(out, frame(0, 1, 1, r.Body)...)                             // DATA, END_STREAM
	if _, err := conn.Write(out); err != nil {
		return nil, fmt.Errorf("send in HTTP/2: %w", err)
	}
	body, err := readStream(conn)
	if err != nil {
		return nil, err
	}
	return &Answer{Body: body}, nil
}

// block writes header fields as literals without indexing and without Huffman coding.
func block(fields [][2]string) []byte {
	var out []byte
	for _, f := range fields {
		out = append(out, 0)
		for _, s := range []string{strings.ToLower(f[0]), f[1]} {
			if len(s) < 127 {
				out = append(out, byte(len(s)))
			} else {
				out = binary.AppendUvarint(append(out, 127), uint64(len(s)-127))
			}
			out = append(out, s...)
		}
	}
	return out
}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	out := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return append(binary.BigEndian.AppendUint32(out, stream), payload...)
}

// readStream returns the data of stream 1, which has to be small. Headers are passed over: what is wrong is in the body too.
func readStream(conn net.Conn) ([]byte, error) {
	var body []byte
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrReset, err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrReset, err)
		}
		switch kind, flags := head[3], head[4]; {
		case kind == 0:
			body = append(body, payload...)
			if flags&1 != 0 {
				return body, nil
			}
		case kind == 1 && flags&1 != 0: // HEADERS with END_STREAM: an answer without a body.
			return body, nil
		case kind == 3, kind == 7: // RST_STREAM, GOAWAY
			return nil, ErrReset
		case kind == 4 && flags&1 == 0:
			if _, err := conn.Write(frame(4, 1, 0, nil)); err != nil { // SETTINGS with ACK
				return nil, err
			}
		}
	}
}
