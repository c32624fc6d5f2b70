// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"parley.chat/clientapi/rest"
)

// clocked notes the deadline that held when the first byte was written.
type clocked struct {
	*httptest.ResponseRecorder
	set     bool
	at      time.Time
	written *time.Time
}

func (c *clocked) SetWriteDeadline(at time.Time) error {
	c.set, c.at = true, at
	return nil
}

func (c *clocked) Write(b []byte) (int, error) {
	if c.written == nil {
		at := c.at
		c.written = &at
	}
	return c.ResponseRecorder.Write(b)
}

func TestAnswer_IsWrittenUnderADeadline(t *testing.T) {
	h := rest.New(rest.Config{Auth: authFake{}, Log: slog.New(slog.DiscardHandler), Routes: []rest.Route{
		{Method: "GET", Path: "/good", Status: 200, Handle: func(*rest.Call) (any, error) { return 1, nil }},
		{Method: "GET", Path: "/stream", Stream: func(_ *rest.Call, w http.ResponseWriter) error {
			_, err := w.Write([]byte("x"))
			return err
		}},
	}})
	for path, bounded := range map[string]bool{"/good": true, "/none": true, "/stream": false} {
		w := &clocked{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		switch {
		case w.written == nil || !w.set:
			t.Errorf("%s: nothing was written, or the deadline of an answer before still holds", path)
		case bounded && (time.Until(*w.written) <= 0 || time.Until(*w.written) > time.Minute):
			t.Errorf("%s: the deadline is in %s", path, time.Until(*w.written))
		case !bounded && !w.written.IsZero():
			t.Errorf("%s: a stream that sets its own has a deadline in %s", path, time.Until(*w.written))
		}
	}
}

func TestQuery_TakesPlainDigitsOnly(t *testing.T) {
	h := rest.New(rest.Config{Auth: authFake{}, Log: slog.New(slog.DiscardHandler), Routes: []rest.Route{
		{Method: "GET", Path: "/n", Status: 200, Handle: func(c *rest.Call) (any, error) {
			q := c.Query()
			return q.Int("n", 0, -1, 100), q.Err()
		}},
	}})
	for n, status := range map[string]int{"5": 200, "-1": 200, "%2B5": 400, "": 400, "%205": 400, "1_0": 400, "0x5": 400, "5.0": 400} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/n?n="+n, nil))
		if w.Code != status {
			t.Errorf("n=%s: status %d, want %d", n, w.Code, status)
		}
	}
}
