// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"parley.chat/core/account"
	"parley.chat/core/channel"
	"parley.chat/core/consent"
	"parley.chat/core/conversation"
	"parley.chat/core/feed"
	"parley.chat/core/search"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Users tells who exists.
type Users interface {
	// Exists tells whether the user has an active account, here or on the server of the user.
	Exists(ctx context.Context, u id.User) (bool, error)
}

// Writer gets commands into logs, as *timeline.Timeline does into those of which this server is the hub. A Result may be Accepted only.
type Writer interface {
	Append(ctx context.Context, cmd timeline.Command) (timeline.Result, error)
	Submit(ctx context.Context, cmd timeline.Command, then func(timeline.Result, error)) error
}

// Conversations holds the operations on conversations and messages.
type Conversations struct {
	Timeline *timeline.Timeline
	Writer   Writer
	Feed     *feed.Feed
	Finder   *search.Finder
	Searches *Searches // nil: nobody is limited
	Channels *channel.Channels
	Users    Users
	Others   Others         // nil: there are no other servers
	Joiner   Joiner         // nil as Others
	Hubs     Hubs           // nil as Others
	Asked    *consent.Asked // who asked hubs elsewhere to join; nil remembers nobody
	People   *account.People
	Server   id.Server
	Limits   conversation.Limits
	Created  *Creations // nil: nobody is limited
	Lookups  *Lookups   // nil: nobody is limited
	Signer   Signer
	Heads    Heads // nil as Others
	Log      *slog.Logger
}

// Create makes a conversation, or finds the direct one there is: existed tells. Faults: invalid_field, unknown_user, group_full,
// rate_limited.
func (o *Conversations) Create(ctx context.Context, c Caller, in rest.CreateConversation) (out frame.Conversation, existed bool, err error) {
	done, err := o.Lookups.begin(c, len(in.Members))
	if err != nil {
		return out, false, err
	}
	defer func() { done(err) }()
	members, err := o.members(ctx, c, in.Members)
	if err != nil {
		return out, false, err
	}
	create, err := o.create(c, in, members)
	if err != nil {
		return out, false, err
	}
	others := slices.DeleteFunc(slices.Clone(members), func(u id.User) bool { return u == c.User })
	raw, err := create.Canonical()
	if err != nil {
		return out, false, err
	}
	conv := event.ConversationID(raw)
	if err := o.invite(ctx, c, create, others); err != nil {
		return out, false, err
	}
	if create.Type == event.Direct {
		return o.createDirect(ctx, c, creation{conv, create, raw}, others[0])
	}
	if _, err := o.Created.take(ctx, o, c); err != nil {
		return out, false, err
	}
	if _, err := o.append(ctx, c, conv, creation{conv, create, raw}.command()); err != nil {
		return out, false, err
	}
	out, err = o.Get(ctx, c, string(conv))
	return out, false, err
}

// creation is a create event with what follows from it.
type creation struct {
	id     id.Conversation
	create event.Create
	raw    []byte
}

func (n creation) command() timeline.Command {
	return timeline.Command{Proposal: conversation.Proposal{Type: frame.TypeCreate, Create: n.create}, Content: n.raw}
}

// createDirect makes a direct conversation with other, or finds it: also where other makes it at the same time. What was found
// does not count as made.
func (o *Conversations) createDirect(ctx context.Context, c Caller, n creation, other id.User) (out frame.Conversation, existed bool, err error) {
	undo := func() {}
	for taken := false; ; taken = true {
		if _, err := o.Timeline.View(ctx, n.id); err == nil {
			undo()
			out, err = o.found(ctx, c, n.id)
			return out, true, err
		}
		if !taken {
			if undo, err = o.Created.take(ctx, o, c); err != nil {
				return out, false, err
			}
		}
		cmd := n.command()
		if cmd.Prefs, cmd.Still, err = o.rules().Direct(ctx, c.User, other); err != nil {
			return out, false, err
		}
		_, err = o.append(ctx, c, n.id, cmd)
		if err == nil {
			out, err = o.Get(ctx, c, string(n.id))
			return out, false, err
		}
		// The other one of the pair was first; its event shows once it is committed, or was not made.
		if !fault.Is(err, fault.AlreadyMember) && !errors.Is(err, timeline.ErrOutdated) {
			return out, false, err
		}
		if !pause(ctx) {
			return out, false, fault.Retry(fault.Unavailable, time.Second, "the server cannot do this now, try again").Because(err)
		}
	}
}

// found answers a direct conversation that exists already to who would make it, and so wants it.
func (o *Conversations) found(ctx context.Context, c Caller, conv id.Conversation) (frame.Conversation, error) {
	if err := o.accept(ctx, c, conv); err != nil {
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, string(conv))
}

// pause waits a moment for a commit that is under way; false if ctx ended.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(5 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

func (o *Conversations) create(c Caller, in rest.CreateConversation, members []id.User) (event.Create, error) {
	if in.Visibility != nil && in.Type != event.Channel {
		return event.Create{}, fault.Invalid("visibility", "only a channel has one")
	}
	switch in.Type {
	case event.Direct:
		if len(members) != 2 {
			return event.Create{}, fault.Invalid("members", "a direct conversation is made with one other user")
		}
		if in.Name != "" {
			return event.Create{}, fault.Invalid("name", "a direct conversation has no name")
		}
		return event.NewDirect(members[0], members[1]), nil
	case event.Group:
		if err := conversation.CheckName(in.Name); err != nil {
			return event.Create{}, err
		}
		if len(members) > o.Limits.MaxMembers {
			return event.Create{}, fault.New(fault.GroupFull, "a group has at most %d members", o.Limits.MaxMembers)
		}
		create := event.Create{Creators: []id.User{c.User}, Hub: o.Server, Members: members, Name: in.Name, Type: event.Group}
		_, _ = rand.Read(create.Nonce[:])
		return create, nil
	case event.Channel:
		create, err := o.createChannel(c, in, members)
		_, _ = rand.Read(create.Nonce[:])
		return create, err
	}
	return event.Create{}, fault.Invalid("type", "must be direct, group or channel")
}

// members checks the named users and adds the caller, sorted, each once.
func (o *Conversations) members(ctx context.Context, c Caller, names []string) ([]id.User, error) {
	if len(names) > o.Limits.MaxMembers {
		return nil, fault.New(fault.GroupFull, "a group has at most %d members", o.Limits.MaxMembers)
	}
	users := []id.User{c.User}
	for _, name := range names {
		u, err := parseUser("members", name)
		if err == nil && o.isHere(u) { // Of others their servers are asked when they are invited.
			err = o.exists(ctx, u)
		}
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	slices.Sort(users)
	return slices.Compact(users), nil
}

func (o *Conversations) user(ctx context.Context, field, name string) (id.User, error) {
	u, err := parseUser(field, name)
	if err != nil {
		return "", err
	}
	return u, o.exists(ctx, u)
}

func parseUser(field, name string) (id.User, error) {
	u, err := id.ParseUser(name)
	if err != nil {
		return "", fault.Invalid(field, "%q is not a user id", clip(name))
	}
	return u, nil
}

// exists answers unknown_user unless the user has an active account, here or on the user's server. Operations that ask it have begun
// a lookup.
func (o *Conversations) exists(ctx context.Context, u id.User) error {
	ok, err := o.Users.Exists(ctx, u)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.UnknownUser, "no such user: %s", u)
	}
	return nil
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 64)], "") }

// append fills in what every command of a caller has. Operations without a tempId of the client's get a fresh one.
func (o *Conversations) append(ctx context.Context, c Caller, conv id.Conversation, cmd timeline.Command) (timeline.Result, error) {
	return o.Writer.Append(ctx, complete(c, conv, cmd))
}

func complete(c Caller, conv id.Conversation, cmd timeline.Command) timeline.Command {
	cmd.ConversationID, cmd.Sender, cmd.Device = conv, c.User, c.Device
	cmd.AuthorTime = time.Now().UnixMilli()
	if cmd.TempID == "" {
		cmd.TempID = rand.Text()
	}
	return cmd
}

// visible finds a conversation the caller is or was a member of.
func (o *Conversations) visible(ctx context.Context, c Caller, conversationID string) (timeline.View, error) {
	conv, err := id.ParseConversation(conversationID)
	if err != nil {
		return timeline.View{}, fault.New(fault.UnknownConversation, "no such conversation")
	}
	v, err := o.Timeline.View(ctx, conv)
	if err != nil {
		return v, err
	}
	if _, ok := v.State.Member(c.User); !ok {
		return v, o.refuse(ctx, c, v)
	}
	return v, nil
}

// hide answers a stranger as if the conversation did not exist, and looks for one that does not, so that the time the answer
// takes does not tell either: the id of a direct conversation follows from its members. spec: TRUST-HIDE-1
func (o *Conversations) hide(ctx context.Context, conv id.Conversation) error {
	_, err := o.Timeline.View(ctx, id.NewConversation(sha256.Sum256([]byte(conv))))
	if err == nil {
		err = fault.New(fault.UnknownConversation, "no such conversation")
	}
	return err
}

// writable finds a conversation the caller is a member of. Faults: unknown_conversation, not_member.
func (o *Conversations) writable(ctx context.Context, c Caller, conversationID string) (timeline.View, error) {
	v, err := o.visible(ctx, c, conversationID)
	if err != nil {
		return v, err
	}
	if m, _ := v.State.Member(c.User); m.Membership != conversation.Joined {
		return v, fault.New(fault.NotMember, "you are no longer a member of this conversation")
	}
	return v, nil
}

// Get answers one conversation. Faults: unknown_conversation.
func (o *Conversations) Get(ctx context.Context, c Caller, conversationID string) (frame.Conversation, error) {
	v, r, err := o.reading(ctx, c, conversationID)
	if err != nil {
		return frame.Conversation{}, err
	}
	if r != nil {
		return o.readerSummary(ctx, c, v, r)
	}
	pointers, err := o.Feed.Pointers(ctx, v, c.User)
	if err != nil {
		return frame.Conversation{}, err
	}
	out, err := o.Feed.Conversation(ctx, v, c.User, pointers)
	if err != nil {
		return out, err
	}
	return out, o.audience(ctx, v, &out)
}

// change appends a state event.
func (o *Conversations) change(ctx context.Context, c Caller, v timeline.View, typ string, ch frame.Change) error {
	_, err := o.propose(ctx, c, v.State.ID, conversation.Proposal{Type: typ, Change: ch})
	return err
}

// propose appends a state event. One that would change nothing, by somebody who has the right to it, is as good as done.
// spec: CONV-CHANGE-1
func (o *Conversations) propose(ctx context.Context, c Caller, conv id.Conversation, p conversation.Proposal) (timeline.Result, error) {
	content, err := event.ChangeContent(p.Change)
	if err != nil {
		return timeline.Result{}, fault.New(fault.MalformedJSON, "the change is not valid UTF-8, or too large").Because(err)
	}
	res, err := o.append(ctx, c, conv, timeline.Command{Proposal: p, Content: content})
	if errors.Is(err, conversation.ErrUnchanged) {
		return timeline.Result{Duplicate: true}, nil
	}
	return res, err
}
