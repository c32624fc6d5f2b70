// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
	"parley.chat/protocol/text"
)

// PresencePath is the path of the operation that asks who is online; it is a POST as the others.
const PresencePath = "/federation/v1/presence"

// Sizes of what servers tell of people.
const (
	maxDisplayName = 256  // bytes
	maxAvatarURL   = 2048 // bytes
	maxLinkPart    = 64   // bytes of the id of a link, and of its secret in base64url
)

// AskInvite asks the server of users whether the inviter may make them members.
type AskInvite struct {
	Create    event.Create // of the conversation, which need not exist yet
	InviterID id.User
	UserIDs   []id.User // 1 to MaxUsers, each once
}

type askInvite struct {
	Create    string   `json:"create"`
	InviterID string   `json:"inviterId"`
	UserIDs   []string `json:"userIds"`
}

// MarshalJSON writes the question; a create object that is not well-formed is an error.
func (a AskInvite) MarshalJSON() ([]byte, error) {
	raw, err := a.Create.Canonical()
	if err != nil {
		return nil, err
	}
	return json.Marshal(askInvite{Create: string(raw), InviterID: string(a.InviterID), UserIDs: names(a.UserIDs)})
}

// UnmarshalJSON reads the question; the create object must be canonical and valid.
func (a *AskInvite) UnmarshalJSON(raw []byte) (err error) {
	var w askInvite
	if err := json.Unmarshal(raw, &w); err != nil {
		return wrong("invite", err)
	}
	var out AskInvite
	if out.Create, err = event.ParseCreate([]byte(w.Create)); err != nil {
		return err
	}
	if out.InviterID, err = readUser("inviterId", w.InviterID); err != nil {
		return err
	}
	if out.UserIDs, err = readUsers(w.UserIDs); err != nil {
		return err
	}
	*a = out
	return nil
}

// Invited is the answer: one result for each user, in their order.
type Invited struct {
	Results []InviteResult `json:"results"`
}

// InviteResult says with a code why the user cannot be added: unknown_user or cannot_add. Without one he can.
type InviteResult struct {
	UserID id.User `json:"userId"`
	Code   string  `json:"code,omitempty"`
}

// AskUsers asks a server about users of its own, for one of the asking server's; without a viewer it is asked only whether they
// exist.
type AskUsers struct {
	UserIDs  []id.User // 1 to MaxUsers, each once
	ViewerID id.User   // may be empty
}

type askUsers struct {
	UserIDs  []string `json:"userIds"`
	ViewerID string   `json:"viewerId,omitempty"`
}

// MarshalJSON writes the question.
func (a AskUsers) MarshalJSON() ([]byte, error) {
	return json.Marshal(askUsers{UserIDs: names(a.UserIDs), ViewerID: string(a.ViewerID)})
}

// UnmarshalJSON reads the question.
func (a *AskUsers) UnmarshalJSON(raw []byte) (err error) {
	var w askUsers
	if err := json.Unmarshal(raw, &w); err != nil {
		return wrong("question about users", err)
	}
	var out AskUsers
	if out.UserIDs, err = readUsers(w.UserIDs); err != nil {
		return err
	}
	if w.ViewerID != "" {
		if out.ViewerID, err = readUser("viewerId", w.ViewerID); err != nil {
			return err
		}
	}
	*a = out
	return nil
}

// Users is the answer: one profile for each user, in their order.
type Users struct {
	Users []User `json:"users"`
}

// User is what a server tells of one of its users; with a code, unknown_user, there is nothing to tell.
type User struct {
	UserID      id.User `json:"userId"`
	DisplayName string  `json:"displayName,omitempty"`
	AvatarURL   string  `json:"avatarUrl,omitempty"`
	Code        string  `json:"code,omitempty"`
}

// UnmarshalJSON reads what another server tells. Names and addresses that no client could show or should load are left out, so that
// one user's nonsense does not hide the others.
func (u *User) UnmarshalJSON(raw []byte) error {
	type plain User
	var out plain
	if err := json.Unmarshal(raw, &out); err != nil {
		return wrong("user", err)
	}
	if _, err := readUser("userId", string(out.UserID)); err != nil {
		return err
	}
	if !text.IsName(out.DisplayName, maxDisplayName) {
		out.DisplayName = ""
	}
	if !isWeb(out.AvatarURL) {
		out.AvatarURL = ""
	}
	*u = User(out)
	return nil
}

// isWeb accepts what clients load: a path would be one on the reader's own server.
func isWeb(s string) bool { return text.IsURL(s, maxAvatarURL) && !strings.HasPrefix(s, "/") }

// AskPresence asks a server who of its users is online, for several of the asking server's users at once.
type AskPresence struct {
	Asks []Watch `json:"asks"`
}

// Watch is one user who looks at others.
type Watch struct {
	ViewerID id.User   `json:"viewerId"`
	UserIDs  []id.User `json:"userIds"`
}

// UnmarshalJSON reads the question: MaxUsers users at most, for all viewers together.
func (a *AskPresence) UnmarshalJSON(raw []byte) (err error) {
	var w struct {
		Asks []struct {
			ViewerID string   `json:"viewerId"`
			UserIDs  []string `json:"userIds"`
		} `json:"asks"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return wrong("question about presence", err)
	}
	total := 0
	if len(w.Asks) == 0 || len(w.Asks) > MaxUsers {
		return fault.Invalid("asks", "must be 1 to %d", MaxUsers)
	}
	out := AskPresence{Asks: make([]Watch, len(w.Asks))}
	for i, one := range w.Asks {
		if out.Asks[i].ViewerID, err = readUser("viewerId", one.ViewerID); err != nil {
			return err
		}
		if out.Asks[i].UserIDs, err = readUsers(one.UserIDs); err != nil {
			return err
		}
		total += len(one.UserIDs)
	}
	if total > MaxUsers {
		return fault.Invalid("asks", "must name at most %d users", MaxUsers)
	}
	*a = out
	return nil
}

// Presences is the answer: a state for each user of each ask, in their order.
type Presences struct {
	Presence []Presence `json:"presence"`
}

// Presence is a state as the viewer may see it; with a code, unknown_user, there is no such user.
type Presence struct {
	UserID   id.User `json:"userId"`
	Status   string  `json:"status,omitempty"`  // online, offline
	LastSeen int64   `json:"lastSeen,omitzero"` // Unix milliseconds; of users who are offline
	Code     string  `json:"code,omitempty"`
}

// UnmarshalJSON reads what another server tells; a state that clients do not know is refused.
func (p *Presence) UnmarshalJSON(raw []byte) error {
	type plain Presence
	var out plain
	if err := json.Unmarshal(raw, &out); err != nil {
		return wrong("presence", err)
	}
	if _, err := readUser("userId", string(out.UserID)); err != nil {
		return err
	}
	if out.Code == "" && out.Status != "online" && out.Status != "offline" {
		return fault.Invalid("status", "must be online or offline")
	}
	if out.LastSeen < 0 || out.LastSeen > 1<<53-1 || out.Status != "offline" {
		out.LastSeen = 0
	}
	*p = Presence(out)
	return nil
}

// AskLink asks the hub of a conversation what the bearer of an invite link may see.
type AskLink struct {
	ConversationID id.Conversation `json:"conversationId"`
	LinkID         string          `json:"linkId"`
	Secret         string          `json:"secret"` // base64url
	UserID         id.User         `json:"userId"`
}

// UnmarshalJSON reads the question. Whether there is such a link is not looked at.
func (a *AskLink) UnmarshalJSON(raw []byte) error {
	type plain AskLink
	var out plain
	if err := json.Unmarshal(raw, &out); err != nil {
		return wrong("question about a link", err)
	}
	if _, err := id.ParseConversation(string(out.ConversationID)); err != nil {
		return fault.Invalid("conversationId", "is no conversation id").Because(err)
	}
	if _, err := readUser("userId", string(out.UserID)); err != nil {
		return err
	}
	if out.LinkID == "" || len(out.LinkID) > maxLinkPart || out.Secret == "" || len(out.Secret) > maxLinkPart {
		return fault.Invalid("secret", "linkId and secret must be those of a token")
	}
	*a = AskLink(out)
	return nil
}

// Preview is the answer: what clients get.
type Preview struct{ rest.LinkPreview }

// Sizes of what a preview shows, in bytes.
const (
	maxPreviewName = 255
	maxPreviewText = 2048
)

// UnmarshalJSON reads what another server shows. What no client could show is left out.
func (p *Preview) UnmarshalJSON(raw []byte) error {
	var out rest.LinkPreview
	if err := json.Unmarshal(raw, &out); err != nil {
		return wrong("preview", err)
	}
	if _, err := id.ParseConversation(out.ConversationID); err != nil || out.MemberCount < 0 || out.MemberCount > event.MaxMembers {
		return fault.Invalid("conversationId", "is no conversation id, or there are too many members")
	}
	if !text.IsName(out.Name, maxPreviewName) {
		out.Name = ""
	}
	if !text.IsLines(out.Description, maxPreviewText) {
		out.Description = ""
	}
	if !isWeb(out.AvatarURL) {
		out.AvatarURL = ""
	}
	p.LinkPreview = out
	return nil
}

func names(users []id.User) []string {
	out := make([]string, len(users))
	for i, u := range users {
		out[i] = string(u)
	}
	return out
}

func readUser(field, name string) (id.User, error) {
	u, err := id.ParseUser(name)
	if err != nil {
		return "", fault.Invalid(field, "is no user id")
	}
	return u, nil
}

// readUsers reads 1 to MaxUsers user ids, each once.
func readUsers(list []string) ([]id.User, error) {
	if len(list) == 0 || len(list) > MaxUsers {
		return nil, fault.Invalid("userIds", "must be 1 to %d", MaxUsers)
	}
	out := make([]id.User, len(list))
	for i, name := range list {
		u, err := readUser("userIds", name)
		if err != nil {
			return nil, err
		}
		out[i] = u
	}
	if sorted := slices.Sorted(slices.Values(out)); len(slices.Compact(sorted)) != len(out) {
		return nil, fault.Invalid("userIds", "must name each user once")
	}
	return out, nil
}
