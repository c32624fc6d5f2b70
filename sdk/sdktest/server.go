// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Server is the homeserver. Its server name is x; its log is one list, and a cursor is a place in it.
type Server struct {
	*httptest.Server
	Window    int // events of a conversation in one sync answer; 0 is all
	Page      int // events in one sync frame; 0 is all
	ExpiresIn int // of access tokens, seconds

	LoseRefreshes int // so many refreshes are done without their answer arriving

	OnSend func(n int, s frame.Send) Verdict            // what becomes of the nth send
	OnCall func(w http.ResponseWriter, key string) bool // true if it answered; key as in Called; not under the lock
	OnLive func(e frame.Event) []frame.Event            // what goes out live in place of e

	mu        sync.Mutex
	log       []frame.Event
	talks     map[string]*talk
	passwords map[string]string       // by user id
	tokens    map[string]rest.Session // by access token
	refresh   map[string]rest.Session // by refresh token
	sessions  map[*session]bool
	calls     map[string]int
	frames    []envelope // from clients, in order
	made      int        // tokens
	sends     int
}

// Verdict is what becomes of a send; the zero Verdict stores and acknowledges it.
type Verdict struct {
	Refuse  *frame.Error // answer this and do nothing else
	Drop    bool         // close the connection
	NoStore bool
	NoAck   bool
	Answer  *frame.Ack // answer this, with the send's ids, before anything else
}

// talk is a conversation.
type talk struct {
	kind, name string
	members    []string
	receipts   map[string]frame.Receipt
	events     []frame.Event
	withheld   map[int64]bool // messages that their readers do not get
}

type envelope struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// New starts a server on a loopback port that ends with the test.
func New(t *testing.T) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := NewOn(l)
	t.Cleanup(f.Stop)
	return f
}

// NewOn starts a server on the listener; the caller stops it.
func NewOn(l net.Listener) *Server {
	f := &Server{
		talks: map[string]*talk{}, passwords: map[string]string{}, tokens: map[string]rest.Session{},
		refresh: map[string]rest.Session{}, sessions: map[*session]bool{}, calls: map[string]int{}, ExpiresIn: 600,
	}
	f.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: f.handler()}}
	f.Start()
	return f
}

// Stop closes every connection and ends the server.
func (f *Server) Stop() {
	f.CloseAll(websocket.StatusGoingAway)
	f.Close()
}

// Converse makes a group, whose create event is seq 0. The first member made it.
func (f *Server) Converse(members ...string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begin("group", "", members)
}

func (f *Server) begin(kind, name string, members []string) string {
	conv := string(id.NewConversation(sha256.Sum256([]byte{byte(len(f.talks))})))
	f.talks[conv] = &talk{kind: kind, name: name, members: members, receipts: map[string]frame.Receipt{}, withheld: map[int64]bool{}}
	f.append(frame.Event{
		ConversationID: conv, Type: frame.TypeCreate, SenderID: members[0],
		Change: &frame.Change{ConversationType: kind, Name: name, UserIDs: members},
	}, nil)
	return conv
}

// Say appends a text of the user and sends it out.
func (f *Server) Say(conv, user, text string) frame.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.append(frame.Event{
		ConversationID: conv, Type: frame.TypeMessage, SenderID: user, Content: text, ContentType: "text",
	}, nil)
}

// Withhold makes a message one that its reader, who blocked the sender, does not get: its status stays sent.
func (f *Server) Withhold(conv string, seq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.talks[conv].withheld[seq] = true
}

// append gives the event its place and sends it to the members, but not to the session except.
func (f *Server) append(e frame.Event, except *session) frame.Event {
	c := f.talks[e.ConversationID]
	e.Seq, e.Timestamp, e.Status = int64(len(c.events)), 1795435200000+int64(len(f.log)), "sent"
	e.MessageID = id.NewMessage(e.Timestamp, e.Seq, [32]byte{}).String()
	c.events, f.log = append(c.events, e), append(f.log, e)
	out := []frame.Event{e}
	if f.OnLive != nil {
		out = f.OnLive(e)
	}
	for _, e := range out {
		kind := frame.ConversationUpdated
		if e.Type == frame.TypeMessage {
			kind = frame.MessageReceived
		}
		f.toMembers(c, kind, e, except)
	}
	return e
}

func (f *Server) toMembers(c *talk, kind string, data any, except *session) {
	for s := range f.sessions {
		if s.live && s != except && slices.Contains(c.members, s.UserID) {
			s.push(kind, data)
		}
	}
}

// store takes a send in, once per device and tempId.
func (f *Server) store(who rest.Session, in frame.Send, from *session) frame.Event {
	for _, e := range f.talks[in.ConversationID].events {
		if e.TempID == in.TempID && e.DeviceID == who.DeviceID {
			return e
		}
	}
	return f.append(frame.Event{
		ConversationID: in.ConversationID, Type: frame.TypeMessage, SenderID: who.UserID, DeviceID: who.DeviceID,
		TempID: in.TempID, Content: in.Content, ContentType: in.ContentType,
	}, from)
}

func ackOf(e frame.Event) frame.Ack {
	return frame.Ack{
		TempID: e.TempID, ConversationID: e.ConversationID, MessageID: e.MessageID,
		Seq: e.Seq, Timestamp: e.Timestamp, Status: "sent",
	}
}

func (f *Server) judge(in frame.Send) Verdict {
	f.sends++
	if f.OnSend == nil {
		return Verdict{}
	}
	return f.OnSend(f.sends, in)
}

// moved answers what the user may see of the log from a cursor on, and false for a cursor that is none.
func (f *Server) moved(user, cursor string) (frame.Sync, bool) {
	from, err := strconv.Atoi(cursor)
	if cursor != "" && (err != nil || from > len(f.log)) {
		return frame.Sync{}, false
	}
	to := len(f.log)
	if f.Page > 0 {
		to = min(to, from+f.Page)
	}
	out := frame.Sync{Cursor: strconv.Itoa(to), HasMore: to < len(f.log)}
	per := map[string][]frame.Event{}
	for _, e := range f.log[from:to] {
		if slices.Contains(f.talks[e.ConversationID].members, user) {
			per[e.ConversationID] = append(per[e.ConversationID], e)
		}
	}
	for conv, events := range per {
		sum := f.summary(conv, user)
		if f.Window > 0 && len(events) > f.Window {
			cut := len(events) - f.Window
			sum.Gap = &frame.Gap{AfterSeq: events[0].Seq - 1, BeforeSeq: events[cut].Seq}
			events = events[cut:]
		}
		out.Conversations = append(out.Conversations, sum)
		out.Messages = append(out.Messages, events...)
	}
	return out, true
}

// summary is a conversation as the user sees it.
func (f *Server) summary(conv, user string) frame.Conversation {
	c := f.talks[conv]
	last := c.events[len(c.events)-1]
	out := frame.Conversation{
		ConversationID: conv, Type: c.kind, Name: c.name, Membership: "joined", Role: "member", ReadSeq: -1,
		MemberCount: len(c.members), HeadSeq: last.Seq, LastMessageAt: last.Timestamp,
	}
	for _, m := range c.members {
		if c.kind == "direct" && m != user {
			out.PeerID = m
		}
	}
	if r, ok := c.receipts[user]; ok {
		out.ReadSeq = r.ReadSeq
	}
	for _, e := range c.events {
		if e.Type != frame.TypeMessage {
			continue
		}
		out.LastMessage = &e
		if e.SenderID != user && e.Seq > out.ReadSeq {
			out.UnreadCount++
		}
	}
	return out
}

// Everyone pushes a frame to all sessions.
func (f *Server) Everyone(kind string, data any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sessions {
		s.push(kind, data)
	}
}

// CloseAll closes every socket with the code; 1006 cuts the connection.
func (f *Server) CloseAll(code websocket.StatusCode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sessions {
		select {
		case s.end <- code:
		default:
		}
	}
}

// ExpireTokens makes all access tokens expire; refresh tokens stay.
func (f *Server) ExpireTokens() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

// RevokeTokens ends all tokens.
func (f *Server) RevokeTokens() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
	clear(f.refresh)
}

// Stored returns the texts in the log of a conversation.
func (f *Server) Stored(conv string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, e := range f.talks[conv].events {
		if e.Type == frame.TypeMessage {
			out = append(out, e.Content)
		}
	}
	return out
}

// Called counts the calls of a key: the method and the last word of the path, `GET messages`.
func (f *Server) Called(key string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[key]
}

// Received returns the data of all frames of a type from clients, in order.
func (f *Server) Received(kind string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, e := range f.frames {
		if e.Type == kind {
			out = append(out, string(e.Data))
		}
	}
	return out
}

func keyOf(r *http.Request) string {
	return fmt.Sprint(r.Method, " ", r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
}

// Conversations lists the ids of all conversations, in no order.
func (f *Server) Conversations() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.talks))
}
