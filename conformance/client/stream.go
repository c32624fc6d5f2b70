// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Event is a server-sent event; a comment line is one with Comment set and nothing else.
type Event struct {
	At      time.Time
	Type    string
	ID      string
	HasID   bool
	Lines   int // how many data lines it had
	Data    Value
	Comment bool
}

// Stream is an open stream of server-sent events.
type Stream struct {
	events chan Event
	cancel context.CancelFunc
}

// Events opens GET /api/v1/events. An answer other than 200 is a Response and no Stream. query has its question mark.
func (s *Server) Events(ctx context.Context, rec *Recorder, who string, in Request) (*Stream, *Response, error) {
	live, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	req, _, err := s.request(live, in)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	x := Exchange{At: time.Now(), Who: who, Kind: "http", Sent: showRequest(req, nil)}
	res, err := s.http.Do(req)
	if err != nil {
		cancel()
		x.Got = "no answer: " + err.Error()
		rec.Add(x, nil)
		return nil, nil, fmt.Errorf("open a stream: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		_ = res.Body.Close()
		cancel()
		out := response(res, raw)
		x.Got = showResponse(res, raw)
		rec.Add(x, s.law.CheckResponse(http.MethodGet, "/api/v1/events", out))
		return nil, out, nil
	}
	out := response(res, nil)
	x.Got = showResponse(res, nil)
	rec.Add(x, s.law.CheckResponse(http.MethodGet, "/api/v1/events", out))
	st := &Stream{events: make(chan Event, 1024), cancel: cancel}
	go st.read(res.Body, func(e Event, text string) {
		rec.Add(Exchange{At: e.At, Who: who, Kind: "event", Got: text}, s.checkEvent(e))
	})
	return st, out, nil
}

// checkEvent holds an event against the schema of the frame of its type.
func (s *Server) checkEvent(e Event) []Finding {
	if e.Comment {
		return nil
	}
	raw, err := json.Marshal(map[string]any{"type": e.Type, "data": e.Data.Any()})
	if err != nil {
		return []Finding{broken("event %s: %v", e.Type, err)}
	}
	return s.law.CheckFrame(raw)
}

func (st *Stream) read(body io.ReadCloser, record func(Event, string)) {
	defer close(st.events)
	defer func() { _ = body.Close() }()
	in := bufio.NewReaderSize(body, 1<<20)
	var text strings.Builder
	for e := (Event{}); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		text.WriteString(line)
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			e.take(line)
			continue
		}
		if e.Comment || e.Type != "" || e.Lines > 0 {
			e.Comment = e.Comment && e.Type == "" && e.Lines == 0
			e.At = time.Now()
			record(e, text.String())
			select {
			case st.events <- e:
			default: // a case that does not read loses events, and says so by waiting in vain
			}
		}
		e = Event{}
		text.Reset()
	}
}

func (e *Event) take(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "":
		e.Comment = true
	case "event":
		e.Type = value
	case "id":
		e.ID, e.HasID = value, true
	case "data":
		e.Lines++
		if v, err := Parse([]byte(value)); err == nil {
			e.Data = v
		} else {
			e.Data = Value{absent{}}
		}
	}
}

// Next returns the next event that is no comment.
func (st *Stream) Next(ctx context.Context) (Event, error) {
	for {
		select {
		case e, ok := <-st.events:
			if !ok {
				return Event{}, fmt.Errorf("the stream ended: %w", io.EOF)
			}
			if !e.Comment {
				return e, nil
			}
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Close ends the stream.
func (st *Stream) Close() { st.cancel() }
