// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"parley.chat/clientapi/op"
	"parley.chat/core/conversation"
	"parley.chat/core/ephemeral"
	"parley.chat/core/timeline"
	"parley.chat/federation/door"
	"parley.chat/federation/peer"
	"parley.chat/federation/people"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

// abroad is what this server has to do with the users of other servers. A nil one does nothing.
type abroad struct {
	directory *people.Directory
	answers   *people.Answers
	moments   *people.Moments
	sights    *seenBy
}

// namesPerMinute is what a user of another server may look up in a minute where own users have no limit.
const namesPerMinute = 600

// presencePerMinute is how many states another server may ask for in a minute.
const presencePerMinute = 6000

// openAbroad makes the parts, if this server federates. They ask the core only once requests come.
func (h *Homeserver) openAbroad() {
	if !h.cfg.Federation.Enabled {
		return
	}
	if h.opt.Owner != nil {
		h.abroad = h.opt.Owner.abroad
		return
	}
	self := h.identity.name
	d := people.NewDirectory(people.Options{Self: self, Caller: asker{h.peers.client}, Now: h.now, Log: h.part("people"), Metrics: h.metrics})
	o := &abroad{directory: d, sights: &seenBy{now: h.now, rules: sights{h}, known: map[id.User]map[id.User]sightUntil{}}}
	o.answers = people.NewAnswers(people.AnswerOptions{
		Self: self, Local: locals{h}, Heard: d.Heard, Now: h.now,
		Rates: people.Rates{Names: cmp.Or(h.cfg.Limits.LookupsPerMinute, namesPerMinute), Presence: presencePerMinute},
	})
	o.moments = people.NewMoments(people.MomentOptions{Directory: d, Timeline: logs{h}, Readers: logs{h}, Hearers: logs{h}, Log: h.part("moments")})
	h.abroad = o
}

// isHere tells whether a user is one of this server, as every user is that a server by itself knows of.
func (h *Homeserver) isHere(u id.User) bool { return h.abroad == nil || u.Server() == h.identity.name }

func (h *Homeserver) elsewhere() ephemeral.Elsewhere {
	if h.abroad == nil {
		return nil
	}
	return elsewhere{h.abroad.directory, h.abroad.moments}
}

// elsewhere is what presence asks and tells of users of other servers.
type elsewhere struct {
	*people.Directory
	moments *people.Moments
}

// Typing implements ephemeral.Elsewhere.
func (e elsewhere) Typing(c id.Conversation, u id.User, on bool, members []id.User) {
	e.moments.Typing(c, u, on, members)
}

func (o *abroad) run(ctx context.Context) error {
	if o == nil {
		return nil
	}
	return o.moments.Run(ctx)
}

func (o *abroad) committed(events []conversation.Committed) {
	if o != nil {
		o.moments.Committed(events)
	}
}

func (o *abroad) moved(list []conversation.Receipt) {
	if o != nil {
		o.moments.Moved(list)
	}
}

func (o *abroad) forget(u id.User) {
	if o != nil {
		o.sights.forget(u)
	}
}

// asked is what operations ask, nil if there is nobody to be asked.
func (o *abroad) asked() op.Others {
	if o == nil {
		return nil
	}
	return o.directory
}

// abroadRoutes are the operations about users and invite links.
func (h *Homeserver) abroadRoutes() []door.Route {
	route := func(path string, do func(ctx context.Context, origin id.Server, body []byte) (any, error)) door.Route {
		return door.Route{Method: "POST", Pattern: path, Handle: func(ctx context.Context, c *door.Call) (any, error) { return do(ctx, c.Origin, c.Body) }}
	}
	a := h.abroad.answers
	return []door.Route{
		route(replica.UsersPath, a.Users), route(replica.InvitesPath, a.Invites), route(replica.PresencePath, a.Presence), route(replica.LinksPath, a.Links),
	}
}

// everybody tells who exists, here and on other servers.
type everybody struct{ h *Homeserver }

// Exists implements op.Users.
func (e everybody) Exists(ctx context.Context, u id.User) (bool, error) {
	if e.h.isHere(u) {
		return e.h.accounts.Exists(ctx, u)
	}
	return e.h.abroad.directory.Exists(ctx, u)
}

// asker asks other servers, and makes faults of what it is answered.
type asker struct{ client *peer.Client }

// Call implements people.Caller.
func (a asker) Call(ctx context.Context, to id.Server, path string, in, out any) error {
	err := a.client.Call(ctx, to, path, in, out)
	dns, _ := errors.AsType[*net.DNSError](err)
	if errors.Is(err, peer.ErrNotAServer) || errors.Is(err, peer.ErrForbidden) || dns != nil && dns.IsNotFound {
		return fault.New(fault.UnknownUser, "there is no server %s", to).Because(err)
	}
	refusal, ok := errors.AsType[*peer.Refusal](err)
	if !ok {
		return err
	}
	switch code := fault.Code(refusal.Code); code { // What it says in words is not handed on.
	case fault.ServerRefused, fault.RateLimited, fault.LinkInvalid, fault.LinkRevoked, fault.LinkExpired, fault.LinkUsedUp, fault.Banned:
		return fault.New(code, "the server %s answers: %s", to, fault.Lookup(code).Meaning).Because(err)
	}
	return err
}

// logs is the core, which is made after those who ask it.
type logs struct{ h *Homeserver }

// View implements people.Log.
func (l logs) View(ctx context.Context, c id.Conversation) (timeline.View, error) {
	return l.h.timeline.View(ctx, c)
}

// Pointers implements people.Log.
func (l logs) Pointers(ctx context.Context, c id.Conversation) (map[id.User]timeline.Pointer, error) {
	return l.h.timeline.Pointers(ctx, c)
}

// Reach implements people.Log.
func (l logs) Reach(ctx context.Context, c id.Conversation, u id.User, delivered, read int64) (bool, error) {
	return l.h.timeline.Reach(ctx, c, u, delivered, read)
}

// HideReads implements people.Readers.
func (l logs) HideReads(ctx context.Context, users []id.User) (map[id.User]bool, error) {
	return l.h.people.HideReads(ctx, users)
}

// Heard implements people.Hearers.
func (l logs) Heard(ctx context.Context, c id.Conversation, u id.User, on bool, members []id.User) error {
	return l.h.presence.Heard(ctx, c, u, on, members)
}

// locals is what other servers may know of the users of this one.
type locals struct{ h *Homeserver }

// Profiles implements people.Local.
func (l locals) Profiles(ctx context.Context, users []id.User) (map[id.User]people.Profile, error) {
	out := make(map[id.User]people.Profile, len(users))
	for _, u := range users {
		one, err := l.h.accounts.Profile(ctx, u)
		if fault.Is(err, fault.UnknownUser) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[u] = people.Profile{DisplayName: one.DisplayName, AvatarURL: l.absolute(one.AvatarURL)}
	}
	return out, nil
}

// absolute makes a URL of a path, which others would look for on their own server.
func (l locals) absolute(u string) string {
	if strings.HasPrefix(u, "/") {
		return l.h.cfg.PublicURL + u
	}
	return u
}

// MayAdd implements people.Local.
func (l locals) MayAdd(ctx context.Context, u, adder id.User) (bool, error) {
	return l.h.people.MayAdd(ctx, u, adder)
}

// Presence implements people.Local.
func (l locals) Presence(ctx context.Context, viewer id.User, users []id.User) (map[id.User]frame.Presence, error) {
	seen, err := l.h.abroad.sights.of(ctx, viewer, users)
	if err != nil {
		return nil, err
	}
	return l.h.presence.Look(ctx, users, seen)
}

// Preview implements people.Local.
func (l locals) Preview(ctx context.Context, viewer id.User, c id.Conversation, linkID, secret string) (rest.LinkPreview, error) {
	out, err := l.h.talks.PreviewLinkFor(ctx, viewer, c, linkID, secret)
	out.AvatarURL = l.absolute(out.AvatarURL)
	return out, err
}

// seenBy remembers for a while who of another server may see whom: it is asked again and again while somebody looks.
type seenBy struct {
	now   func() time.Time
	rules ephemeral.Rules

	mu      sync.Mutex
	known   map[id.User]map[id.User]sightUntil // by user seen, then by viewer
	size    int
	changes uint64
}

type sightUntil struct {
	ephemeral.Sight
	until time.Time
}

const (
	sightLife = time.Minute // a new contact is noticed so much later; settings and blocks at once
	maxSights = 20_000
)

// of answers what the viewer may see of each of the users.
func (s *seenBy) of(ctx context.Context, viewer id.User, users []id.User) ([]ephemeral.Sight, error) {
	out := make([]ephemeral.Sight, len(users))
	var missing []id.User
	var at []int
	s.mu.Lock()
	now, changes := s.now(), s.changes
	for i, u := range users {
		if k, ok := s.known[u][viewer]; ok && now.Before(k.until) {
			out[i] = k.Sight
		} else {
			missing, at = append(missing, u), append(at, i)
		}
	}
	s.mu.Unlock()
	if len(missing) == 0 {
		return out, nil
	}
	got, err := s.rules.Sights(ctx, viewer, missing)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, u := range missing {
		out[at[i]] = got[i]
		if s.changes == changes {
			s.keep(u, viewer, sightUntil{got[i], now.Add(sightLife)})
		}
	}
	return out, nil
}

// keep remembers one; the caller holds mu.
func (s *seenBy) keep(u, viewer id.User, k sightUntil) {
	if s.size >= maxSights {
		s.known, s.size = map[id.User]map[id.User]sightUntil{}, 0
	}
	if s.known[u] == nil {
		s.known[u] = map[id.User]sightUntil{}
	}
	if _, have := s.known[u][viewer]; !have {
		s.size++
	}
	s.known[u][viewer] = k
}

// forget has the rules asked anew about a user of this server.
func (s *seenBy) forget(u id.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	s.size -= len(s.known[u])
	delete(s.known, u)
}
