// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// ReceiptsOf are the pointers of the joined members of this server, as other servers may know them. spec: FED-MOMENT-4
func (m *Moments) ReceiptsOf(ctx context.Context, c id.Conversation) ([]replica.Receipt, error) {
	return m.receipts(ctx, c, nil)
}

// receipts are the pointers of those users of this server who moved, with whether the delivered one did; of all if moved is nil.
func (m *Moments) receipts(ctx context.Context, c id.Conversation, moved map[id.User]bool) ([]replica.Receipt, error) {
	v, err := m.Timeline.View(ctx, c)
	if err != nil {
		return nil, err
	}
	pointers, err := m.Timeline.Pointers(ctx, c)
	if err != nil {
		return nil, err
	}
	users := slices.Sorted(maps.Keys(moved))
	for u := range pointers {
		if moved == nil && u.Server() == m.Directory.Self {
			users = append(users, u)
		}
	}
	hidden, err := m.Readers.HideReads(ctx, users)
	if err != nil {
		return nil, err
	}
	slices.Sort(users)
	out := make([]replica.Receipt, 0, len(users))
	for _, u := range users {
		member, ok := v.State.Member(u)
		p, have := pointers[u]
		delivered := moved == nil || moved[u]
		if !ok || !have || member.Membership != conversation.Joined || hidden[u] && !delivered {
			continue
		}
		r := replica.Receipt{UserID: u}
		r.DeliveredSeq, r.ReadSeq = p.Seen()
		if hidden[u] {
			r.ReadSeq = min(r.ReadSeq, member.JoinedSeq)
		}
		out = append(out, r)
	}
	return out, nil
}

// Receive takes receipts of another server: those of its own users who are members move their pointers, the others are passed
// over. spec: FED-MOMENT-3
func (m *Moments) Receive(ctx context.Context, origin id.Server, c id.Conversation, list []replica.Receipt) {
	for _, r := range list {
		if r.UserID.Server() != origin || r.DeliveredSeq < -1 || r.ReadSeq < -1 || origin == m.Directory.Self {
			continue
		}
		if m.moved.Take(string(origin), 1, m.Directory.Now().UnixMilli()) > 0 {
			m.Log.Debug("receipts of a server are passed over: too many", slog.String("server", string(origin)))
			return
		}
		if !m.reach(ctx, c, r) {
			return
		}
	}
}

// reach moves one member; false if nothing more of the conversation can be done.
func (m *Moments) reach(ctx context.Context, c id.Conversation, r replica.Receipt) bool {
	behind, err := m.Timeline.Reach(ctx, c, r.UserID, r.DeliveredSeq, r.ReadSeq)
	m.mu.Lock()
	defer m.mu.Unlock()
	key := moved{c, r.UserID}
	delete(m.ahead, key)
	if behind && len(m.ahead) < maxAhead { // The entries are on their way.
		m.ahead[key] = r
	}
	switch {
	case err == nil, fault.Is(err, fault.NotMember), fault.Is(err, fault.UnknownMessage):
		return true
	}
	m.Log.Debug("a receipt of another server was not taken", slog.Any("error", err))
	return false
}

// catchUp takes the receipts that were ahead of logs which grew since.
func (m *Moments) catchUp(ctx context.Context) {
	m.mu.Lock()
	var due []moved
	receipts := map[moved]replica.Receipt{}
	for key, r := range m.ahead {
		if _, ok := m.grew[key.conv]; ok {
			due, receipts[key] = append(due, key), r
		}
	}
	clear(m.grew)
	m.mu.Unlock()
	for _, key := range due {
		m.reach(ctx, key.conv, receipts[key])
	}
}

// Deliver takes what another server says of who types: of its own users who are joined members of a conversation that this server
// has. spec: FED-MOMENT-2
func (m *Moments) Deliver(ctx context.Context, origin id.Server, list []frame.Typing) {
	for _, t := range list[:min(len(list), replica.MaxItems)] {
		u, err := id.ParseUser(t.UserID)
		if err != nil || u.Server() != origin || origin == m.Directory.Self {
			continue
		}
		c, err := id.ParseConversation(t.ConversationID)
		if err != nil {
			continue
		}
		if m.typing.Take(string(origin), 1, m.Directory.Now().UnixMilli()) > 0 {
			return
		}
		if err := m.hear(ctx, c, u, t.IsTyping); err != nil {
			m.Log.Debug("typing of another server was not told", slog.Any("error", err))
		}
	}
}

func (m *Moments) hear(ctx context.Context, c id.Conversation, u id.User, on bool) error {
	v, err := m.Timeline.View(ctx, c)
	if err != nil {
		return err
	}
	member, ok := v.State.Member(u)
	if !ok || member.Membership != conversation.Joined || v.Hushed || !v.State.May(member.Role, conversation.CanSend) {
		return nil
	}
	var others []id.User
	for other, o := range v.State.Members {
		if other != u && o.Membership == conversation.Joined {
			others = append(others, other)
		}
	}
	return m.Hearers.Heard(ctx, c, u, on, others)
}
