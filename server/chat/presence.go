// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"strings"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/sdk"
)

// typingPause is how long the same member has to write nothing, or the line that says so to stand, before it is said again.
const typingPause = 15 * time.Second

// around is what the app knows of the moment.
type around struct {
	watched string                    // the peer of the open conversation, "" if it has none
	seen    map[string]frame.Presence // what was told of watched users
	typing  map[string]time.Time      // conversation and user: when that was said
	asked   map[string]time.Time      // conversation: when its request was said
	keys    chan string               // what stands in the line, as the user types; nil if the screen does not know
}

// keyed is a screen that knows what is typed before the line ends.
type keyed interface {
	// onKey sets what is called, on a goroutine of the screen, with the line so far.
	onKey(func(line string))
}

func newAround(s screen) around {
	out := around{seen: map[string]frame.Presence{}, typing: map[string]time.Time{}, asked: map[string]time.Time{}}
	if k, ok := s.(keyed); ok {
		keys := make(chan string, 1)
		k.onKey(func(line string) {
			select {
			case keys <- line:
			default: // One is enough to know.
			}
		})
		out.keys = keys
	}
	return out
}

// look watches the peer of the open conversation, and nobody else.
func (a *app) look() {
	peer := ""
	if c := a.convs[a.open]; c != nil {
		peer = c.PeerID
	}
	if peer == a.watched {
		return
	}
	if a.watched != "" {
		a.client.Unwatch(a.watched)
		delete(a.seen, a.watched)
	}
	if a.watched = peer; peer != "" {
		_ = a.client.Watch(peer) // One user is always within the limit.
	}
}

// present says what changed of the peer; the first answer only if there is something to say.
func (a *app) present(p frame.Presence) {
	before, known := a.seen[p.UserID]
	if p.UserID != a.watched || known && before == p {
		return
	}
	a.seen[p.UserID] = p
	if known || p.Status == "online" || p.LastSeen > 0 {
		a.screen.print(a.person(p.UserID) + " is " + state(p, time.Now()))
	}
}

// state tells in words whether a user is there.
func state(p frame.Presence, now time.Time) string {
	if p.Status == "online" {
		return "online"
	}
	if p.LastSeen == 0 {
		return "offline"
	}
	at := time.UnixMilli(p.LastSeen).In(now.Location())
	form := "2 January 2006 15:04"
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		form = "15:04"
	}
	return "offline, last seen " + at.Format(form)
}

// typed says that a member of the open conversation writes.
func (a *app) typed(t frame.Typing, now time.Time) {
	if !t.IsTyping || t.ConversationID != a.open {
		return
	}
	key := t.ConversationID + " " + t.UserID
	if at, ok := a.typing[key]; ok && now.Sub(at) < typingPause {
		return
	}
	for k, at := range a.typing {
		if now.Sub(at) >= typingPause {
			delete(a.typing, k)
		}
	}
	a.typing[key] = now
	a.screen.print(a.person(t.UserID) + " is typing…")
}

// key tells the others that the user writes; commands are nobody's business.
func (a *app) key(line string) {
	if a.open != "" && line != "" && !strings.HasPrefix(line, "/") {
		a.client.Typing(a.open, true)
	}
}

// moment shows what the SDK told of presence and typing.
func (a *app) moment(u sdk.Update) {
	switch u := u.(type) {
	case sdk.Presence:
		a.present(u.Presence)
	case sdk.Typing:
		a.typed(u.Typing, time.Now())
	case sdk.Prefs:
		a.preferred(u.Prefs)
	case sdk.Request:
		a.requested(u.Request, time.Now())
	}
}

func (a *app) cmdOnline(ctx context.Context, args []string) error {
	user, err := a.userID(args[0])
	if err != nil {
		return err
	}
	p, err := a.client.PresenceOf(ctx, user)
	if err != nil {
		return err
	}
	a.screen.print(a.person(user) + " is " + state(p, time.Now()))
	return nil
}
