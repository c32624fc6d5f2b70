// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// call is one authenticated call; it runs under the server's lock.
type call func(s rest.Session, r *http.Request) (any, error)

func (f *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/register", f.register)
	mux.HandleFunc("POST /api/v1/login", f.login)
	mux.HandleFunc("POST /api/v1/refresh", f.renew)
	mux.HandleFunc("GET /api/v1/ws", f.socket)
	for pattern, do := range map[string]call{
		"POST /api/v1/logout":                              f.logout,
		"GET /api/v1/users/me":                             f.me,
		"GET /api/v1/devices":                              f.devices,
		"POST /api/v1/conversations":                       f.create,
		"GET /api/v1/conversations":                        f.list,
		"GET /api/v1/conversations/{id}":                   f.one,
		"PATCH /api/v1/conversations/{id}":                 f.rename,
		"GET /api/v1/conversations/{id}/members":           f.members,
		"POST /api/v1/conversations/{id}/members":          f.add,
		"DELETE /api/v1/conversations/{id}/members/{user}": f.remove,
		"GET /api/v1/search":                               f.search,
		"GET /api/v1/conversations/{id}/messages":          f.messages,
		"POST /api/v1/conversations/{id}/messages":         f.post,
	} {
		mux.HandleFunc(pattern, f.authed(do))
	}
	mux.HandleFunc("GET /api/v1/sync", f.poll)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.calls[keyOf(r)]++
		f.mu.Unlock()
		if f.OnCall == nil || !f.OnCall(w, keyOf(r)) {
			mux.ServeHTTP(w, r)
		}
	})
}

func (f *Server) authed(do call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		s, err := f.who(r)
		var v any
		if err == nil {
			v, err = do(s, r)
		}
		reply(w, v, err)
	}
}

func reply(w http.ResponseWriter, v any, err error) {
	switch {
	case err != nil:
		Refuse(w, fault.From(err))
	case v == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		_ = json.NewEncoder(w).Encode(v)
	}
}

// Refuse answers a problem.
func Refuse(w http.ResponseWriter, f *fault.Error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(fault.Lookup(f.Code).Status)
	_ = json.NewEncoder(w).Encode(rest.Problem{
		Code: string(f.Code), Detail: f.Message, Field: f.Field, RetryAfterMs: f.RetryAfter.Milliseconds(),
	})
}

func body[T any](r *http.Request) T {
	var v T
	_ = json.NewDecoder(r.Body).Decode(&v)
	return v
}

// who finds the session of a request; the first use of a new access token ends the refresh tokens before it.
func (f *Server) who(r *http.Request) (rest.Session, error) {
	s, ok := f.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !ok {
		return s, fault.New(fault.TokenExpired, "expired")
	}
	for token, other := range f.refresh {
		if other.DeviceID == s.DeviceID && token < s.RefreshToken {
			delete(f.refresh, token)
		}
	}
	return s, nil
}

func (f *Server) register(w http.ResponseWriter, r *http.Request) {
	in := body[rest.Register](r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.passwords[in.Username] != "" {
		Refuse(w, fault.New(fault.UsernameTaken, "taken"))
		return
	}
	f.passwords[in.Username] = in.Password
	w.WriteHeader(http.StatusCreated)
	reply(w, f.issue(in.Username+"@x", string(id.NewDevice())), nil)
}

func (f *Server) login(w http.ResponseWriter, r *http.Request) {
	in := body[rest.Login](r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.passwords[in.Username]; p == "" || p != in.Password {
		Refuse(w, fault.New(fault.WrongCredentials, "wrong"))
		return
	}
	if in.DeviceID == "" {
		in.DeviceID = string(id.NewDevice())
	}
	reply(w, f.issue(in.Username+"@x", in.DeviceID), nil)
}

func (f *Server) issue(user, device string) rest.Session {
	f.made++
	s := rest.Session{
		UserID: user, DeviceID: device, ExpiresIn: f.ExpiresIn,
		AccessToken: fmt.Sprintf("access-%04d", f.made), RefreshToken: fmt.Sprintf("refresh-%04d", f.made),
	}
	f.tokens[s.AccessToken], f.refresh[s.RefreshToken] = s, s
	return s
}

func (f *Server) renew(w http.ResponseWriter, r *http.Request) {
	in := body[rest.Refresh](r)
	f.mu.Lock()
	defer f.mu.Unlock()
	old, ok := f.refresh[in.RefreshToken]
	if !ok {
		Refuse(w, fault.New(fault.RefreshInvalid, "unknown"))
		return
	}
	next := f.issue(old.UserID, old.DeviceID)
	if f.LoseRefreshes > 0 {
		f.LoseRefreshes--
		panic(http.ErrAbortHandler) // Cuts the connection.
	}
	reply(w, next, nil)
}

func (f *Server) logout(s rest.Session, _ *http.Request) (any, error) {
	delete(f.tokens, s.AccessToken)
	delete(f.refresh, s.RefreshToken)
	for other := range f.sessions {
		if other.DeviceID == s.DeviceID {
			other.end <- 4500
		}
	}
	return nil, nil
}

func (f *Server) me(s rest.Session, _ *http.Request) (any, error) {
	return rest.Profile{UserID: s.UserID}, nil
}

func (f *Server) devices(s rest.Session, _ *http.Request) (any, error) {
	return rest.Devices{Devices: []rest.Device{{DeviceID: s.DeviceID, DeviceName: "test", IsCurrent: true}}}, nil
}

// talk finds the conversation of a request for one of its members.
func (f *Server) talk(s rest.Session, r *http.Request) (*talk, error) {
	c := f.talks[r.PathValue("id")]
	if c == nil || !slices.Contains(c.members, s.UserID) {
		return nil, fault.New(fault.UnknownConversation, "no such conversation")
	}
	return c, nil
}

func (f *Server) create(s rest.Session, r *http.Request) (any, error) {
	in := body[rest.CreateConversation](r)
	members := append([]string{s.UserID}, in.Members...)
	for conv, c := range f.talks {
		if in.Type == "direct" && c.kind == "direct" && !slices.ContainsFunc(members, func(u string) bool { return !slices.Contains(c.members, u) }) {
			return f.summary(conv, s.UserID), nil
		}
	}
	return f.summary(f.begin(in.Type, in.Name, members), s.UserID), nil
}

func (f *Server) list(s rest.Session, _ *http.Request) (any, error) {
	out := rest.Conversations{Conversations: []frame.Conversation{}}
	for conv, c := range f.talks {
		if slices.Contains(c.members, s.UserID) {
			out.Conversations = append(out.Conversations, f.summary(conv, s.UserID))
		}
	}
	return out, nil
}

func (f *Server) one(s rest.Session, r *http.Request) (any, error) {
	if _, err := f.talk(s, r); err != nil {
		return nil, err
	}
	return f.summary(r.PathValue("id"), s.UserID), nil
}

func (f *Server) rename(s rest.Session, r *http.Request) (any, error) {
	c, err := f.talk(s, r)
	if err != nil {
		return nil, err
	}
	c.name = *body[rest.EditConversation](r).Name
	f.changed(s, r, frame.TypeRename, frame.Change{Name: c.name})
	return f.summary(r.PathValue("id"), s.UserID), nil
}

func (f *Server) changed(s rest.Session, r *http.Request, kind string, change frame.Change) {
	f.append(frame.Event{ConversationID: r.PathValue("id"), Type: kind, SenderID: s.UserID, Change: &change}, nil)
}

func (f *Server) members(s rest.Session, r *http.Request) (any, error) {
	c, err := f.talk(s, r)
	if err != nil {
		return nil, err
	}
	var out rest.Members
	for _, u := range c.members {
		m := rest.Member{UserID: u, Role: "member", DeliveredSeq: -1, ReadSeq: -1}
		if p, ok := c.receipts[u]; ok {
			m.DeliveredSeq, m.ReadSeq = p.DeliveredSeq, p.ReadSeq
		}
		out.Members = append(out.Members, m)
	}
	return out, nil
}

func (f *Server) add(s rest.Session, r *http.Request) (any, error) {
	c, err := f.talk(s, r)
	if err != nil {
		return nil, err
	}
	in := body[rest.AddMembers](r)
	c.members = append(c.members, in.UserIDs...)
	f.changed(s, r, frame.TypeMemberAdd, frame.Change{UserIDs: in.UserIDs, Role: "member"})
	return nil, nil
}

func (f *Server) remove(s rest.Session, r *http.Request) (any, error) {
	c, err := f.talk(s, r)
	if err != nil {
		return nil, err
	}
	user := r.PathValue("user")
	if user == s.UserID {
		f.changed(s, r, frame.TypeMemberLeave, frame.Change{})
	} else {
		f.changed(s, r, frame.TypeMemberRemove, frame.Change{UserIDs: []string{user}})
	}
	c.members = slices.DeleteFunc(c.members, func(u string) bool { return u == user })
	return nil, nil
}

// messages answers pages of three at most for a range, so that clients have to page.
func (f *Server) messages(s rest.Session, r *http.Request) (any, error) {
	c, err := f.talk(s, r)
	if err != nil {
		return nil, err
	}
	if r.FormValue("afterSeq") == "" {
		return newest(c, r, s.UserID), nil
	}
	after, _ := strconv.ParseInt(r.FormValue("afterSeq"), 10, 64)
	before, err := strconv.ParseInt(r.FormValue("beforeSeq"), 10, 64)
	var out rest.Messages
	for _, e := range c.events {
		if e.Seq <= after || (err == nil && e.Seq >= before) {
			continue
		}
		if len(out.Messages) == 3 {
			out.HasMore = true
			break
		}
		out.Messages = append(out.Messages, c.seen(e, s.UserID))
	}
	return out, nil
}

// seen is an event with the status that the peer of a direct conversation gives to a message of the reader.
func (c *talk) seen(e frame.Event, reader string) frame.Event {
	if c.kind != "direct" || e.SenderID != reader || e.Type != frame.TypeMessage || c.withheld[e.Seq] {
		return e
	}
	for user, r := range c.receipts {
		switch {
		case user == reader:
		case r.ReadSeq >= e.Seq:
			e.Status = "read"
		case r.DeliveredSeq >= e.Seq:
			e.Status = "delivered"
		}
	}
	return e
}

func newest(c *talk, r *http.Request, reader string) rest.Messages {
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil {
		limit = 50
	}
	events := slices.Clone(c.events)
	if before, err := strconv.Atoi(r.FormValue("beforeSeq")); err == nil {
		events = events[:min(before, len(events))]
	}
	events = events[max(0, len(events)-limit):]
	for i, e := range events {
		events[i] = c.seen(e, reader)
	}
	slices.Reverse(events)
	return rest.Messages{Messages: events}
}

func (f *Server) post(s rest.Session, r *http.Request) (any, error) {
	in := body[frame.Send](r)
	in.ConversationID = r.PathValue("id")
	if v := f.judge(in); v.Refuse != nil {
		return nil, fault.New(fault.Code(v.Refuse.Code), "%s", v.Refuse.Message)
	}
	return ackOf(f.store(s, in, nil)), nil
}

// poll waits a tenth of a second at most.
func (f *Server) poll(w http.ResponseWriter, r *http.Request) {
	for end := time.Now().Add(100 * time.Millisecond); ; time.Sleep(5 * time.Millisecond) {
		f.mu.Lock()
		s, err := f.who(r)
		out, ok := f.moved(s.UserID, r.FormValue("cursor"))
		f.mu.Unlock()
		if err == nil && !ok {
			err = fault.New(fault.InvalidCursor, "no cursor")
		}
		if err != nil || r.FormValue("timeout") == "0" || len(out.Messages) > 0 || time.Now().After(end) {
			reply(w, out, err)
			return
		}
	}
}
