// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"parley.chat/clientapi/op"
	"parley.chat/protocol/fault"
)

// MaxBody is the largest request body in bytes.
const MaxBody = 128 << 10

// bodyTime is how long a client may take to send a body.
const bodyTime = 30 * time.Second

// Body makes a Handle that decodes the body into In first. Faults: unsupported_media_type, body_too_large,
// malformed_json, invalid_field.
func Body[In any](f func(*Call, In) (any, error)) Handle {
	return func(c *Call) (any, error) {
		var in In
		raw, err := c.read()
		if err != nil {
			return nil, err
		}
		if err := Decode(raw, &in); err != nil {
			return nil, err
		}
		return f(c, in)
	}
}

// Decode is op.Decode.
func Decode(raw []byte, into any) error { return op.Decode(raw, into) }

func (c *Call) read() ([]byte, error) {
	if c.r.ContentLength > MaxBody {
		return nil, tooLarge()
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, MaxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge()
		}
		return nil, fault.New(fault.MalformedJSON, "the body ended early").Because(err)
	}
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{}) // A transport without deadlines has its own limits.
	return raw, checkMediaType(c.r.Header, len(raw))
}

func tooLarge() error { return fault.New(fault.BodyTooLarge, "a body has at most %d bytes", MaxBody) }

func checkMediaType(h http.Header, size int) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fault.New(fault.UnsupportedMediaType, "a body is not compressed")
	}
	given := h.Get("Content-Type")
	if given == "" && size == 0 {
		return nil
	}
	kind, params, err := mime.ParseMediaType(given)
	charset := params["charset"]
	if err != nil || kind != "application/json" || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return fault.New(fault.UnsupportedMediaType, "the Content-Type must be application/json")
	}
	return nil
}
