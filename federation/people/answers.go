// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"fmt"
	"time"

	"parley.chat/core/limit"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

// Local is what this server knows of its own users.
type Local interface {
	// Profiles are those of the users who have an active account here; others are left out. A picture is a URL that other servers'
	// clients can load.
	Profiles(ctx context.Context, users []id.User) (map[id.User]Profile, error)
	// MayAdd tells whether the adder, who may be of another server, may put a user into a group.
	MayAdd(ctx context.Context, u, adder id.User) (bool, error)
	// Presence answers what the viewer may see of each user now; those without an active account here are left out.
	Presence(ctx context.Context, viewer id.User, users []id.User) (map[id.User]frame.Presence, error)
	// Preview shows the bearer of a link what the conversation is. Faults: link_invalid, link_revoked, link_expired, link_used_up,
	// banned.
	Preview(ctx context.Context, viewer id.User, c id.Conversation, linkID, secret string) (rest.LinkPreview, error)
}

// Rates bound what one server may ask in a minute. 0 is no limit.
type Rates struct {
	Names    int // users looked up by one viewer; 50 times that by one server, those it invites among them
	Presence int // states, by one server
}

// serverShare is how many times the allowance of one user a server has. Who founds a large group names all its members at once, so an
// inviter may name in inviteTimes minutes what he may look up in them.
const (
	serverShare = 50
	inviteTimes = 10
)

// AnswerOptions make Answers.
type AnswerOptions struct {
	Self  id.Server
	Local Local
	Rates Rates
	Heard func(id.Server)  // told of every server that asks; may be nil
	Now   func() time.Time // nil: the clock of the machine
}

// Answers answers other servers about users of this one. Make it with NewAnswers. Each operation gets the server that signed the
// request and its body.
type Answers struct {
	AnswerOptions
	viewers, inviters, servers, presence *limit.Counter
}

// NewAnswers makes Answers.
func NewAnswers(o AnswerOptions) *Answers {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Heard == nil {
		o.Heard = func(id.Server) {}
	}
	per := func(n int) *limit.Counter { return limit.NewCounter(limit.Rate{Count: n, Per: time.Minute}, 0) }
	return &Answers{
		AnswerOptions: o, viewers: per(o.Rates.Names), servers: per(o.Rates.Names * serverShare), presence: per(o.Rates.Presence),
		inviters: limit.NewCounter(limit.Rate{Count: o.Rates.Names * inviteTimes, Per: inviteTimes * time.Minute}, 0),
	}
}

// begin checks that who asks is a user of the asking server, and reads nothing else of the body's meaning. spec: FED-USERS-2
func (a *Answers) begin(origin id.Server, field string, asker id.User) error {
	a.Heard(origin)
	if asker.Server() != origin {
		return fault.Invalid(field, "must be a user of %s, which asks", origin)
	}
	return nil
}

// spend counts names that a server, and one of its users, ask about. spec: FED-USERS-6
func (a *Answers) spend(origin id.Server, of *limit.Counter, asker id.User, n int) error {
	at := a.Now().UnixMilli()
	if asker != "" {
		if wait := of.Take(string(asker), n, at); wait > 0 {
			return limit.Refusal(wait, "too many names of one user")
		}
	}
	if wait := a.servers.Take(string(origin), n, at); wait > 0 {
		return limit.Refusal(wait, fmt.Sprintf("at most %d names are looked up a minute by one server", a.Rates.Names*serverShare))
	}
	return nil
}

// Users answers who of the users exists and, to a viewer, how they are shown. spec: FED-USERS-1
func (a *Answers) Users(ctx context.Context, origin id.Server, body []byte) (any, error) {
	var in replica.AskUsers
	if err := replica.Decode(body, &in); err != nil {
		return nil, err
	}
	if in.ViewerID != "" {
		if err := a.begin(origin, "viewerId", in.ViewerID); err != nil {
			return nil, err
		}
	}
	a.Heard(origin)
	if err := a.spend(origin, a.viewers, in.ViewerID, len(in.UserIDs)); err != nil {
		return nil, err
	}
	known, err := a.Local.Profiles(ctx, a.own(in.UserIDs))
	if err != nil {
		return nil, err
	}
	out := replica.Users{Users: make([]replica.User, len(in.UserIDs))}
	for i, u := range in.UserIDs {
		out.Users[i] = replica.User{UserID: u}
		switch p, ok := known[u]; {
		case !ok:
			out.Users[i].Code = string(fault.UnknownUser)
		case in.ViewerID != "":
			out.Users[i].DisplayName, out.Users[i].AvatarURL = p.DisplayName, p.AvatarURL
		}
	}
	return out, nil
}

// own are those users who may have an account here.
func (a *Answers) own(users []id.User) []id.User {
	out := make([]id.User, 0, len(users))
	for _, u := range users {
		if u.Server() == a.Self {
			out = append(out, u)
		}
	}
	return out
}

// Invites answers whether users of this server may be made members by one of the asking server. It says what a local inviter would
// be told, and nothing is done. spec: FED-INVITE-2
func (a *Answers) Invites(ctx context.Context, origin id.Server, body []byte) (any, error) {
	var in replica.AskInvite
	if err := replica.Decode(body, &in); err != nil {
		return nil, err
	}
	if err := a.begin(origin, "inviterId", in.InviterID); err != nil {
		return nil, err
	}
	if err := a.spend(origin, a.inviters, in.InviterID, len(in.UserIDs)); err != nil {
		return nil, err
	}
	known, err := a.Local.Profiles(ctx, a.own(in.UserIDs))
	if err != nil {
		return nil, err
	}
	out := replica.Invited{Results: make([]replica.InviteResult, len(in.UserIDs))}
	for i, u := range in.UserIDs {
		out.Results[i] = replica.InviteResult{UserID: u}
		if _, ok := known[u]; !ok {
			out.Results[i].Code = string(fault.UnknownUser)
			continue
		}
		if in.Create.Type == event.Direct { // Who does not want it is asked in private.
			continue
		}
		may, err := a.Local.MayAdd(ctx, u, in.InviterID)
		if err != nil {
			return nil, err
		}
		if !may {
			out.Results[i].Code = string(fault.CannotAdd)
		}
	}
	return out, nil
}

// Presence answers who is online, as each viewer may see it. spec: FED-PRESENCE-1
func (a *Answers) Presence(ctx context.Context, origin id.Server, body []byte) (any, error) {
	var in replica.AskPresence
	if err := replica.Decode(body, &in); err != nil {
		return nil, err
	}
	n := 0
	for _, one := range in.Asks {
		if err := a.begin(origin, "viewerId", one.ViewerID); err != nil {
			return nil, err
		}
		n += len(one.UserIDs)
	}
	if wait := a.presence.Take(string(origin), n, a.Now().UnixMilli()); wait > 0 {
		return nil, limit.Refusal(wait, "too many questions about presence of this server")
	}
	out := replica.Presences{Presence: make([]replica.Presence, 0, n)}
	for _, one := range in.Asks {
		seen, err := a.Local.Presence(ctx, one.ViewerID, a.own(one.UserIDs))
		if err != nil {
			return nil, err
		}
		for _, u := range one.UserIDs {
			p, ok := seen[u]
			if !ok {
				out.Presence = append(out.Presence, replica.Presence{UserID: u, Code: string(fault.UnknownUser)})
				continue
			}
			out.Presence = append(out.Presence, replica.Presence{UserID: u, Status: p.Status, LastSeen: p.LastSeen})
		}
	}
	return out, nil
}

// Links shows the bearer of an invite link, a user of the asking server, what the conversation is. spec: FED-LINK-2
func (a *Answers) Links(ctx context.Context, origin id.Server, body []byte) (any, error) {
	var in replica.AskLink
	if err := replica.Decode(body, &in); err != nil {
		return nil, err
	}
	if err := a.begin(origin, "userId", in.UserID); err != nil {
		return nil, err
	}
	if err := a.spend(origin, a.viewers, in.UserID, 1); err != nil {
		return nil, err
	}
	return a.Local.Preview(ctx, in.UserID, in.ConversationID, in.LinkID, in.Secret)
}
