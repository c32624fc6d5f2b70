// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// fake is a homeserver in memory that can be told to misbehave. Its log is one list; a cursor is a place in it.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	log      []frame.Event
	convs    map[string]*fakeConv
	tokens   map[string]rest.Session // by access token
	refresh  map[string]rest.Session // by refresh token
	sessions map[*fakeSession]bool
	calls    map[string]int // by method and first words of the path
	frames   []envelope     // from clients, in order
	made     int

	window    int                                          // events of a conversation in one sync answer; 0 is all
	page      int                                          // events in one sync frame; 0 is all
	expiresIn int                                          // of access tokens, seconds
	onSend    func(n int, s frame.Send) verdict            // n counts the sends
	onCall    func(w http.ResponseWriter, key string) bool // true if it answered
	onLive    func(e frame.Event) []frame.Event            // what goes out live in place of e
	sends     int
}

type fakeConv struct {
	kind, name string
	members    []string
	events     []frame.Event
}

// verdict is what becomes of a send.
type verdict struct {
	refuse  *frame.Error
	drop    bool // close the connection
	noStore bool
	noAck   bool
}

type fakeSession struct {
	rest.Session
	out  chan []byte
	end  chan websocket.StatusCode
	live bool
}

func newFake(t *testing.T) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newFakeOn(t, l)
}

func newFakeOn(t *testing.T, l net.Listener) *fake {
	t.Helper()
	f := &fake{
		convs: map[string]*fakeConv{}, tokens: map[string]rest.Session{}, refresh: map[string]rest.Session{},
		sessions: map[*fakeSession]bool{}, calls: map[string]int{}, expiresIn: 600,
	}
	f.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: f.handler()}}
	f.Start()
	t.Cleanup(func() {
		f.closeAll(websocket.StatusGoingAway)
		f.Close()
	})
	return f
}

func (f *fake) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/register", f.enter)
	mux.HandleFunc("POST /api/v1/login", f.enter)
	mux.HandleFunc("POST /api/v1/refresh", f.renew)
	mux.HandleFunc("POST /api/v1/logout", f.authed(func(rest.Session, *http.Request) (int, any) { return 204, nil }))
	mux.HandleFunc("POST /api/v1/conversations", f.authed(f.create))
	mux.HandleFunc("GET /api/v1/conversations/{id}/messages", f.authed(f.messages))
	mux.HandleFunc("POST /api/v1/conversations/{id}/messages", f.authed(f.post))
	mux.HandleFunc("GET /api/v1/sync", f.authed(f.poll))
	mux.HandleFunc("GET /api/v1/ws", f.socket)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Method + " " + r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		f.mu.Lock()
		f.calls[key]++
		on := f.onCall
		f.mu.Unlock()
		if on != nil && on(w, key) {
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	if v != nil {
		_ = json.NewEncoder(w).Encode(v)
	}
}

func refuse(w http.ResponseWriter, f *fault.Error) {
	w.Header().Set("Content-Type", "application/problem+json")
	answer(w, fault.Lookup(f.Code).Status, rest.Problem{
		Code: string(f.Code), Detail: f.Message, Field: f.Field, RetryAfterMs: f.RetryAfter.Milliseconds(),
	})
}

func (f *fake) enter(w http.ResponseWriter, r *http.Request) {
	var in rest.Login
	_ = json.NewDecoder(r.Body).Decode(&in)
	if in.DeviceID == "" {
		in.DeviceID = string(id.NewDevice())
	}
	answer(w, 200, f.issue(in.Username+"@x", in.DeviceID))
}

func (f *fake) issue(user, device string) rest.Session {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	s := rest.Session{
		UserID: user, DeviceID: device, ExpiresIn: f.expiresIn,
		AccessToken: fmt.Sprintf("access-%04d", f.made), RefreshToken: fmt.Sprintf("refresh-%04d", f.made),
	}
	f.tokens[s.AccessToken], f.refresh[s.RefreshToken] = s, s
	return s
}

func (f *fake) renew(w http.ResponseWriter, r *http.Request) {
	var in rest.Refresh
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	old, ok := f.refresh[in.RefreshToken]
	f.mu.Unlock()
	if !ok {
		refuse(w, fault.New(fault.RefreshInvalid, "unknown"))
		return
	}
	answer(w, 200, f.issue(old.UserID, old.DeviceID))
}

// who finds the session of a request; the first use of a new access token ends the refresh tokens before it.
func (f *fake) who(r *http.Request) (rest.Session, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !ok {
		return s, false
	}
	for token, other := range f.refresh {
		if other.DeviceID == s.DeviceID && token < s.RefreshToken {
			delete(f.refresh, token)
		}
	}
	return s, true
}

func (f *fake) authed(do func(rest.Session, *http.Request) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, ok := f.who(r)
		if !ok {
			refuse(w, fault.New(fault.TokenExpired, "expired"))
			return
		}
		status, v := do(s, r)
		if e, bad := v.(*frame.Error); bad {
			refuse(w, fault.New(fault.Code(e.Code), "%s", e.Message))
			return
		}
		answer(w, status, v)
	}
}

func (f *fake) expireTokens() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

func (f *fake) create(s rest.Session, r *http.Request) (int, any) {
	var in rest.CreateConversation
	_ = json.NewDecoder(r.Body).Decode(&in)
	conv := f.converse(append([]string{s.UserID}, in.Members...)...)
	return 201, frame.Conversation{ConversationID: conv, Type: in.Type, Name: in.Name}
}

// converse makes a conversation, whose create event is seq 0.
func (f *fake) converse(members ...string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	conv := string(id.NewConversation(sha256.Sum256([]byte{byte(len(f.convs))})))
	f.convs[conv] = &fakeConv{kind: "group", members: members}
	f.append(frame.Event{ConversationID: conv, Type: frame.TypeCreate, SenderID: members[0]}, nil)
	return conv
}

// say appends a message of another user and sends it out.
func (f *fake) say(conv, user, text string) frame.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.append(frame.Event{ConversationID: conv, Type: frame.TypeMessage, SenderID: user, Content: text, ContentType: "text"}, nil)
}

func (f *fake) append(e frame.Event, except *fakeSession) frame.Event {
	c := f.convs[e.ConversationID]
	e.Seq, e.Timestamp, e.Status = int64(len(c.events)), 1795435200000+int64(len(f.log)), "sent"
	e.MessageID = id.NewMessage(e.Timestamp, e.Seq, [32]byte{}).String()
	c.events, f.log = append(c.events, e), append(f.log, e)
	out := []frame.Event{e}
	if f.onLive != nil {
		out = f.onLive(e)
	}
	for s := range f.sessions {
		if s.live && s != except && slices.Contains(c.members, s.UserID) {
			for _, e := range out {
				s.push(liveType(e), e)
			}
		}
	}
	return e
}

func liveType(e frame.Event) string {
	if e.Type == frame.TypeMessage {
		return frame.MessageReceived
	}
	return frame.ConversationUpdated
}

func (s *fakeSession) push(kind string, data any) {
	raw, _ := encodeFrame(kind, data)
	s.out <- raw
}

// everyone pushes a frame to all sessions.
func (f *fake) everyone(kind string, data any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sessions {
		s.push(kind, data)
	}
}

func (f *fake) closeAll(code websocket.StatusCode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sessions {
		select {
		case s.end <- code:
		default:
		}
	}
}

// store takes a send in, once per tempId.
func (f *fake) store(who rest.Session, in frame.Send, from *fakeSession) frame.Event {
	for _, e := range f.convs[in.ConversationID].events {
		if e.TempID == in.TempID && e.DeviceID == who.DeviceID {
			return e
		}
	}
	return f.append(frame.Event{
		ConversationID: in.ConversationID, Type: frame.TypeMessage, SenderID: who.UserID, DeviceID: who.DeviceID,
		TempID: in.TempID, Content: in.Content, ContentType: in.ContentType,
	}, from)
}

func (f *fake) judge(in frame.Send) verdict {
	f.sends++
	if f.onSend == nil {
		return verdict{}
	}
	return f.onSend(f.sends, in)
}

func (f *fake) post(s rest.Session, r *http.Request) (int, any) {
	var in frame.Send
	_ = json.NewDecoder(r.Body).Decode(&in)
	in.ConversationID = r.PathValue("id")
	f.mu.Lock()
	defer f.mu.Unlock()
	if v := f.judge(in); v.refuse != nil {
		return 0, v.refuse
	}
	return 201, ackOf(f.store(s, in, nil))
}

func (f *fake) messages(_ rest.Session, r *http.Request) (int, any) {
	after, _ := strconv.ParseInt(r.FormValue("afterSeq"), 10, 64)
	before, err := strconv.ParseInt(r.FormValue("beforeSeq"), 10, 64)
	f.mu.Lock()
	defer f.mu.Unlock()
	var out rest.Messages
	for _, e := range f.convs[r.PathValue("id")].events {
		if e.Seq <= after || (err == nil && e.Seq >= before) {
			continue
		}
		if len(out.Messages) == 3 {
			out.HasMore = true
			break
		}
		out.Messages = append(out.Messages, e)
	}
	return 200, out
}

// moved answers what a user may see of the log from a cursor on.
func (f *fake) moved(user, cursor string) (frame.Sync, bool) {
	from, err := strconv.Atoi(cursor)
	if cursor != "" && (err != nil || from > len(f.log)) {
		return frame.Sync{}, false
	}
	to := len(f.log)
	if f.page > 0 {
		to = min(to, from+f.page)
	}
	out := frame.Sync{Cursor: strconv.Itoa(to), HasMore: to < len(f.log)}
	per := map[string][]frame.Event{}
	for _, e := range f.log[from:to] {
		if slices.Contains(f.convs[e.ConversationID].members, user) {
			per[e.ConversationID] = append(per[e.ConversationID], e)
		}
	}
	for conv, events := range per {
		sum := frame.Conversation{ConversationID: conv, Type: "group", HeadSeq: int64(len(f.convs[conv].events) - 1)}
		if f.window > 0 && len(events) > f.window {
			cut := len(events) - f.window
			sum.Gap = &frame.Gap{AfterSeq: events[0].Seq - 1, BeforeSeq: events[cut].Seq}
			events = events[cut:]
		}
		out.Conversations = append(out.Conversations, sum)
		out.Messages = append(out.Messages, events...)
	}
	return out, true
}

func (f *fake) poll(s rest.Session, r *http.Request) (int, any) {
	for end := time.Now().Add(100 * time.Millisecond); ; time.Sleep(5 * time.Millisecond) {
		f.mu.Lock()
		out, ok := f.moved(s.UserID, r.FormValue("cursor"))
		f.mu.Unlock()
		if !ok {
			return 0, &frame.Error{Code: string(fault.InvalidCursor)}
		}
		if r.FormValue("timeout") == "0" || len(out.Messages) > 0 || time.Now().After(end) {
			return 200, out
		}
	}
}
