// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// verbs are those of events about one user.
var verbs = map[string]string{
	"bans": frame.TypeMemberBan, "unbans": frame.TypeMemberUnban, "crowns": frame.TypeOwnerTransfer, "declines": frame.TypeJoinDecline,
}

// govern reads statements about what governs a group.
func (w *world) govern(p conversation.Proposal, verb string, rest []string) (_ conversation.Proposal, err error) {
	switch {
	case verbs[verb] != "":
		p.Type, p.Change.UserIDs = verbs[verb], fulls(rest)
	case verb == "sets" && len(rest)%2 == 0:
		p.Type = frame.TypeSettings
		for i := 0; i < len(rest) && err == nil; i += 2 {
			err = set(&p.Change, rest[i], rest[i+1])
		}
	case verb == "permits" && len(rest)%2 == 0:
		p.Type, p.Change.Permissions = frame.TypeSettings, map[string]string{}
		for i := 0; i < len(rest); i += 2 {
			p.Change.Permissions[rest[i]] = rest[i+1]
		}
	case verb == "links" && len(rest) > 0:
		p.Type = frame.TypeLinkCreate
		p.Change, err = w.link(rest)
	case verb == "revokes" && len(rest) == 1:
		p.Type, p.Change.LinkID = frame.TypeLinkRevoke, w.linkID(rest[0])
	case (verb == "joins" || verb == "requests") && len(rest) >= 2:
		p.Type = map[string]string{"joins": frame.TypeMemberJoin, "requests": frame.TypeJoinRequest}[verb]
		p.Change.LinkID, p.SecretHash = w.linkID(rest[1]), w.secretHash(rest[len(rest)-1])
	case verb == "moves" && len(rest) == 1: // alice moves b.example
		p.Type, p.Change.Hub = frame.TypeHubTransfer, rest[0]
		p.Change.Acceptance = &frame.Acceptance{KeyID: "ed25519:b1", Signature: canonical.EncodeBase64(make([]byte, conversation.AcceptanceSize))}
	case verb == "usurps" && len(rest) == 1: // without the word of the new server
		p.Type, p.Change.Hub = frame.TypeHubTransfer, rest[0]
	case (verb == "pins" || verb == "unpins") && len(rest) >= 1:
		p.Type = map[string]string{"pins": frame.TypePin, "unpins": frame.TypeUnpin}[verb]
		err = w.target(&p, rest)
	default:
		err = fmt.Errorf("unknown verb %q with %q", verb, rest)
	}
	return p, err
}

func set(c *frame.Change, key, value string) error {
	number, err := strconv.ParseInt(value, 10, 64)
	yes := value == "true"
	switch key {
	case "description":
		c.Description = &value
	case "avatarUrl":
		c.AvatarURL = &value
	case "historyVisibility":
		c.HistoryVisibility = value
	case "ephemeralTimer":
		c.EphemeralTimer = &number
		return err
	case "slowMode":
		c.SlowMode = &number
		return err
	case "serverSearch":
		c.ServerSearch = &yes
	default:
		return fmt.Errorf("unknown setting %q", key)
	}
	return nil
}

// link reads `L uses 2 lasts 1h approved`; each but the name may be absent.
func (w *world) link(words []string) (c frame.Change, err error) {
	c.LinkID, c.SecretHash = w.linkID(words[0]), w.secretHash(words[0])
	for i := 1; i < len(words) && err == nil; i += 2 {
		switch words[i] {
		case "uses":
			c.MaxUses, err = strconv.ParseInt(words[i+1], 10, 64)
		case "lasts":
			var d time.Duration
			d, err = time.ParseDuration(words[i+1])
			c.ExpiresAt = w.now + 1000 + d.Milliseconds()
		case "approved":
			c.NeedsApproval = true
			i--
		default:
			err = fmt.Errorf("unknown property %q of a link", words[i])
		}
	}
	return c, err
}

func (w *world) linkID(name string) string {
	raw := w.seed("link " + name)
	return canonical.EncodeBase64(raw[:conversation.LinkIDSize])
}

func (w *world) secretHash(name string) string {
	raw := w.seed("secret " + name)
	return conversation.SecretHash(raw[:])
}

// sentAt is when a user sent the last message, or edited one.
func (w *world) sentAt(u id.User) int64 {
	for _, e := range slices.Backward(w.log) {
		if conversation.Slow(e.Type) && e.Sender == u {
			return e.HubTime
		}
	}
	return 0
}

// describeInfo writes what a state has beside members and name: `bans mallory, requests dave, pins 3, slowMode 30, send admin`.
func describeInfo(s *conversation.State) (parts []string) {
	add := func(key string, list []string) {
		if len(list) > 0 {
			parts = append(parts, key+" "+strings.Join(list, " "))
		}
	}
	var bans, requests, pins []string
	for _, b := range s.Info.Bans {
		bans = append(bans, short(b.UserID))
	}
	for _, r := range s.Info.Requests {
		requests = append(requests, short(r.UserID))
	}
	for _, m := range s.Info.Pins {
		pins = append(pins, fmt.Sprint(m.Seq()))
	}
	add("bans", bans)
	add("requests", requests)
	add("pins", pins)
	for _, l := range s.Info.Links {
		parts = append(parts, fmt.Sprintf("link used %d", l.Uses))
	}
	for key, n := range map[string]int64{"slowMode": s.Info.SlowMode, "ephemeralTimer": s.Info.EphemeralTimer} {
		if n != 0 {
			parts = append(parts, fmt.Sprint(key, " ", n))
		}
	}
	slices.Sort(parts)
	for _, c := range slices.Sorted(maps.Keys(s.Info.Permissions)) {
		parts = append(parts, c+" "+s.Info.Permissions[c])
	}
	for _, m := range s.Info.Moves {
		parts = append(parts, fmt.Sprint("hub ", m.Hub, " after ", m.Seq))
	}
	if s.Info.Shared {
		parts = append(parts, fmt.Sprint("shared from ", s.Info.SharedFrom))
	}
	return parts
}
