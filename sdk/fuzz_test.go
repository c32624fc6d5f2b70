// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley.chat/protocol/frame"
)

// deaf is a link that takes everything and gives nothing.
type deaf struct{}

func (deaf) read(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }
func (deaf) write(context.Context, []byte) error      { return nil }
func (deaf) ping(context.Context) error               { return nil }
func (deaf) close()                                   {}

// empty answers every call with an empty page.
type empty struct{}

func (empty) RoundTrip(r *http.Request) (*http.Response, error) {
	body := io.NopCloser(strings.NewReader(`{"messages":[],"hasMore":false}`))
	return &http.Response{StatusCode: http.StatusOK, Body: body, Header: http.Header{}, Request: r}, nil
}

// FuzzFrames hands lines to a connection as frames of a server: nothing may panic, and no event may come out of order
// or twice.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(`{"type":"message_received","data":{"conversationId":"c","seq":1,"type":"message"}}
{"type":"sync","data":{"messages":[{"conversationId":"c","seq":0,"type":"create"}],"conversations":[{"conversationId":"c","gap":{"afterSeq":1,"beforeSeq":9}}],"cursor":"1"}}
{"type":"error","data":{"code":"unavailable","tempId":"t"}}
{"type":"message_ack","data":{"tempId":"t","conversationId":"c","seq":9}}
{"type":"resync","data":{}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		client, err := New(Options{BaseURL: "http://x", HTTP: &http.Client{Transport: empty{}}, Buffer: 1 << 12})
		if err != nil {
			t.Fatal(err)
		}
		client.auth.session.Store(&Session{UserID: "me@x", DeviceID: "d", ExpiresAt: time.Now().Add(time.Hour)})
		client.outbox.restore([]frame.Send{{ConversationID: "c", TempID: "t"}})
		c := &conn{run: &run{c: client, self: Session{UserID: "me@x"}, t: newTimeline("me@x", nil)}, link: deaf{}}
		for _, line := range bytes.Split(raw, []byte("\n")) {
			_ = c.handle(t.Context(), line)
			_ = c.tick(t.Context(), time.Now().Add(holdFor))
		}
		checkOrder(t, client)
	})
}

func checkOrder(t *testing.T, client *Client) {
	t.Helper()
	last := map[string]int64{}
	for {
		var e frame.Event
		select {
		case u := <-client.Events():
			switch u := u.(type) {
			case Message:
				e = u.Event
			case StateChange:
				e = u.Event
			default:
				continue
			}
		default:
			return
		}
		if before, ok := last[e.ConversationID]; ok && e.Seq <= before {
			t.Fatalf("%q: %d after %d", e.ConversationID, e.Seq, before)
		}
		last[e.ConversationID] = e.Seq
	}
}
