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
		if r.DeliveredSeq > member.JoinedSeq || r.ReadSeq > member.JoinedSeq { // There is everybody at first.
			out = append(out, r)
		}
	}
	return out, nil
}

// Receive takes receipts of another server: those of its own users who are members move their pointers, the others are passed
// over. spec: FED-MOMENT-3
func (m *Moments) Receive(ctx context.Context, origin id.Server, c id.Conversation, list []replica.Receipt) {
	isHere := true
	for _, r := range list {
		if r.UserID.Server() != origin || r.DeliveredSeq < -1 || r.ReadSeq < -1 || origin == m.Directory.Self {
			continue
		}
		if m.moved.Take(string(origin), 1, m.Directory.Now().UnixMilli()) > 0 {
			m.Log.Debug("receipts of a server are passed over: too many", slog.String("server", string(origin)))
			return
		}
		if !isHere { // Not looked for again and again.
			m.wait(moved{c, r.UserID}, r, true)
			continue
		}
		err := m.reach(ctx, c, r)
		if isHere = !fault.Is(err, fault.UnknownConversation); isHere && err != nil {
			m.Log.Debug("receipts of another server were not taken", slog.Any("error", err))
			return
		}
	}
}

// reach moves one member, as soon as that can be. Faults: UnknownConversation, Unavailable.
func (m *Moments) reach(ctx context.Context, c id.Conversation, r replica.Receipt) error {
	behind, err := m.Timeline.Reach(ctx, c, r.UserID, r.DeliveredSeq, r.ReadSeq)
	m.wait(moved{c, r.UserID}, r, behind || fault.Is(err, fault.UnknownConversation) || fault.Is(err, fault.NotMember))
	if fault.Is(err, fault.NotMember) || fault.Is(err, fault.UnknownMessage) {
		return nil
	}
	return err
}

// wait keeps a receipt until its entries come, or no longer. What one server keeps waiting is bounded.
func (m *Moments) wait(key moved, r replica.Receipt, keep bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	server, now := key.user.Server(), m.Directory.Now()
	of := m.ahead[server]
	delete(of, key)
	if keep && len(of) >= maxAhead {
		maps.DeleteFunc(of, func(_ moved, a ahead) bool { return !now.Before(a.until) })
	}
	if keep && len(of) < maxAhead && (of != nil || len(m.ahead) < maxTo) {
		if of == nil {
			of = map[moved]ahead{}
			m.ahead[server] = of
		}
		of[key] = ahead{r, now.Add(aheadLife)}
	}
	if len(of) == 0 {
		delete(m.ahead, server)
	}
}

// catchUp takes the receipts that were ahead of logs which grew since.
func (m *Moments) catchUp(ctx context.Context) {
	m.mu.Lock()
	due := map[moved]replica.Receipt{}
	for _, of := range m.ahead {
		for key, a := range of {
			if _, ok := m.grew[key.conv]; ok {
				due[key] = a.Receipt
			}
		}
	}
	clear(m.grew)
	m.mu.Unlock()
	for key, r := range due {
		if err := m.reach(ctx, key.conv, r); err != nil {
			m.Log.Debug("a receipt of another server is not taken yet", slog.Any("error", err))
		}
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
