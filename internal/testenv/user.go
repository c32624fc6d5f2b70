// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// Transport is the code of a Call that got no answer.
const Transport fault.Code = "x_transport"

// Password is everybody's.
const Password = "correct horse battery"

// User is one device of an account.
type User struct {
	rest.Session
	ID string

	srv *Server
	t   testing.TB
}

// User registers an account and its first device.
func (s *Server) User(t testing.TB, name string) *User {
	t.Helper()
	u := &User{srv: s, t: t}
	u.Do("POST", "/register", rest.Register{Username: name, Password: Password}, &u.Session)
	u.ID = u.UserID
	return u
}

// Users registers several accounts.
func (s *Server) Users(t testing.TB, names ...string) []*User {
	t.Helper()
	out := make([]*User, len(names))
	for i, n := range names {
		out[i] = s.User(t, n)
	}
	return out
}

// Device logs the user in once more.
func (u *User) Device() *User {
	u.t.Helper()
	d := &User{srv: u.srv, t: u.t, ID: u.ID}
	d.Do("POST", "/login", rest.Login{Username: u.ID, Password: Password}, &d.Session)
	return d
}

// With returns the same device for another test.
func (u *User) With(t testing.TB) *User {
	c := *u
	c.t = t
	return &c
}

// Call makes a request below /api/v1. body is marshalled, a string or []byte is sent as it is, nil is none; a good answer
// is decoded into out unless that is nil. It is safe on any goroutine.
func (u *User) Call(method, path string, body, out any) *fault.Error {
	return u.CallContext(context.Background(), method, path, body, out)
}

// CallContext is Call that ends with ctx.
func (u *User) CallContext(ctx context.Context, method, path string, body, out any) *fault.Error {
	req, err := u.Request(ctx, method, path, body)
	if err != nil {
		return fault.New(Transport, "%v", err)
	}
	res, err := u.srv.client.Do(req)
	if err != nil {
		return fault.New(Transport, "%v", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return fault.New(Transport, "%v", err)
	}
	return decodeAnswer(res, raw, out)
}

// Request prepares a request of the device.
func (u *User) Request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var raw []byte
	var err error
	switch b := body.(type) {
	case nil:
	case string:
		raw = []byte(b)
	case []byte:
		raw = b
	default:
		if raw, err = encode(b); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, u.srv.URL+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if u.AccessToken != "" {
		req.Header.Set("Authorization", "Bearer "+u.AccessToken)
	}
	return req, nil
}

// encode writes JSON as small as it can be, without the escapes that encoding/json puts in for browsers.
func encode(v any) ([]byte, error) {
	return jsonv2.Marshal(v, jsonv1.OmitEmptyWithLegacySemantics(true))
}

// Raw sends a prepared request through the guard.
func (u *User) Raw(req *http.Request) (*http.Response, error) { return u.srv.client.Do(req) }

func decodeAnswer(res *http.Response, raw []byte, out any) *fault.Error {
	if res.StatusCode >= 400 {
		var p rest.Problem
		if err := json.Unmarshal(raw, &p); err != nil {
			return fault.New(Transport, "status %d without a problem: %v", res.StatusCode, err)
		}
		return &fault.Error{
			Code: fault.Code(p.Code), Message: p.Detail, Field: p.Field, RetryAfter: time.Duration(p.RetryAfterMs) * time.Millisecond,
		}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fault.New(Transport, "%v", err)
	}
	return nil
}

// Do is Call that ends the test at a fault.
func (u *User) Do(method, path string, body, out any) {
	u.t.Helper()
	if f := u.Call(method, path, body, out); f != nil {
		u.t.Fatalf("%s %s by %s: %v", method, path, u.ID, f)
	}
}

// Refused makes a request that must be answered with the code.
func (u *User) Refused(code fault.Code, method, path string, body any) *fault.Error {
	u.t.Helper()
	f := u.Call(method, path, body, nil)
	if f == nil || f.Code != code {
		u.t.Errorf("%s %s by %s: got %v, want %s", method, path, u.ID, f, code)
		return &fault.Error{}
	}
	return f
}

// Direct makes or finds the direct conversation with the other.
func (u *User) Direct(other *User) string {
	u.t.Helper()
	var c frame.Conversation
	u.Do("POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{other.ID}}, &c)
	return c.ConversationID
}

// Group makes a group.
func (u *User) Group(name string, others ...*User) string {
	u.t.Helper()
	in := rest.CreateConversation{Type: "group", Name: name, Members: []string{}}
	for _, o := range others {
		in.Members = append(in.Members, o.ID)
	}
	var c frame.Conversation
	u.Do("POST", "/conversations", in, &c)
	return c.ConversationID
}

// Text is a message with a fresh tempId.
func Text(conv, text string) frame.Send {
	return frame.Send{TempID: rand.Text(), ConversationID: conv, Content: text, ContentType: "text"}
}

// Post sends a text over REST.
func (u *User) Post(conv, text string) frame.Ack {
	u.t.Helper()
	var ack frame.Ack
	u.Do("POST", "/conversations/"+conv+"/messages", Text("", text), &ack)
	return ack
}

// Get reads one conversation.
func (u *User) Get(conv string) frame.Conversation {
	u.t.Helper()
	var c frame.Conversation
	u.Do("GET", "/conversations/"+conv, nil, &c)
	return c
}

// Page reads a page of history; query is without the question mark.
func (u *User) Page(conv, query string) rest.Messages {
	u.t.Helper()
	var m rest.Messages
	u.Do("GET", "/conversations/"+conv+"/messages?"+query, nil, &m)
	return m
}

// History reads all pages, oldest first.
func (u *User) History(conv string) []frame.Event {
	u.t.Helper()
	var out []frame.Event
	query := "afterSeq=-1&limit=200"
	for {
		page := u.Page(conv, query)
		out = append(out, page.Messages...)
		if !page.HasMore {
			return out
		}
		query = "limit=200&cursor=" + url.QueryEscape(page.NextCursor)
	}
}

// Sync pulls one page.
func (u *User) Sync(cursor string) (frame.Sync, *fault.Error) {
	var s frame.Sync
	f := u.Call("GET", "/sync?cursor="+url.QueryEscape(cursor), nil, &s)
	return s, f
}

// Pull brings a book up to date over REST.
func (u *User) Pull(b *Book) error {
	for {
		page, f := u.Sync(b.Cursor())
		if f != nil {
			return f
		}
		if err := b.Page(page); err != nil {
			return err
		}
		if !page.HasMore {
			return nil
		}
	}
}

// Fill fetches what the book's gaps lack, all of them even if some cannot be filled.
func (u *User) Fill(b *Book) error { return u.FillGaps(b, b.Gaps()) }

// FillGaps is Fill for some gaps.
func (u *User) FillGaps(b *Book, gaps []Gap) error {
	var errs []error
	for _, g := range gaps {
		errs = append(errs, u.fill(b, g), b.filled(g))
	}
	return errors.Join(errs...)
}

func (u *User) fill(b *Book, g Gap) error {
	for query, more := g.query(""), true; more; {
		var page rest.Messages
		if f := u.Call("GET", "/conversations/"+g.Conversation+"/messages?"+query, nil, &page); f != nil {
			return f
		}
		if err := b.Range(g, page.Messages); err != nil {
			return err
		}
		query, more = g.query(page.NextCursor), page.HasMore
	}
	return nil
}

// Name is the user's name without the server.
func (u *User) Name() string { name, _, _ := strings.Cut(u.ID, "@"); return name }
