// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// People is what the feed asks of the oracle. Every error means that the database is away.
type People interface {
	// HideReads tells which of the users neither show nor see what was read; users who do are left out.
	HideReads(ctx context.Context, users []id.User) (map[id.User]bool, error)
	// DataVersion is the version of the user's account data.
	DataVersion(ctx context.Context, u id.User) (int64, error)
	// DataSince lists what changed after a version; upto is that of the last, more tells that there is more.
	DataSince(ctx context.Context, u id.User, since int64, limit, size int) (items []frame.AccountData, upto int64, reset, more bool, err error)
	// HiddenAt tells when the user deleted which of the messages for himself alone.
	HiddenAt(ctx context.Context, u id.User, c id.Conversation, messages []string) (map[string]int64, error)
	// HiddenSeqs lists the seqs of all messages of a conversation that the user deleted for himself alone.
	HiddenSeqs(ctx context.Context, u id.User, c id.Conversation) ([]int64, error)
}

// WithheldBlocked is why the reader does not get the content of a record: its sender was blocked then.
const WithheldBlocked = "blocked"

// hideReads is People's, of nobody without People.
func (f *Feed) hideReads(ctx context.Context, users []id.User) (map[id.User]bool, error) {
	if f.People == nil {
		return nil, nil
	}
	hidden, err := f.People.HideReads(ctx, users)
	if err != nil {
		return nil, away(err)
	}
	return hidden, nil
}

// Pointers are the pointers of a conversation's members as far as u sees them, in a group those of others as they are: use Seen
// to show them.
func (f *Feed) Pointers(ctx context.Context, v timeline.View, u id.User) (map[id.User]timeline.Pointer, error) {
	all, err := f.Owner.Pointers(ctx, v.State.ID)
	if err != nil {
		return nil, err
	}
	if peer := v.State.Peer(u); peer != "" {
		return all, f.Seen(ctx, v, u, all, []id.User{peer})
	}
	return all, nil
}

// Seen replaces the pointers of others by what u sees of them.
func (f *Feed) Seen(ctx context.Context, v timeline.View, u id.User, all map[id.User]timeline.Pointer, others []id.User) error {
	hidden, err := f.hideReads(ctx, append([]id.User{u}, others...))
	if err != nil {
		return err
	}
	for _, other := range others {
		if p, ok := all[other]; ok && other != u {
			p.Delivered, p.Read = p.Seen()
			if hidden[u] || hidden[other] {
				m, _ := v.State.Member(other)
				p.Read = min(p.Read, m.JoinedSeq)
			}
			all[other] = p
		}
	}
	return nil
}

// Personal takes out of records what u does not get: what was withheld, and what u deleted for himself.
func (f *Feed) Personal(ctx context.Context, v timeline.View, u id.User, p timeline.Pointer, records []frame.Event) error {
	var messages []string
	for i, r := range records {
		switch {
		case r.SenderID != string(u) && !conversation.ChangesState(r.Type) && (p.Prefs.Blocks(r.Seq) || r.Type == frame.TypeEdit && p.Prefs.Blocks(about(r))):
			records[i] = bare(r)
			records[i].Withheld = WithheldBlocked
		case r.Type == frame.TypeMessage:
			messages = append(messages, r.MessageID)
		case r.Type == frame.TypeEdit && r.TargetMessageID != "":
			messages = append(messages, r.TargetMessageID)
		}
	}
	if f.People == nil || len(messages) == 0 {
		return nil
	}
	hidden, err := f.People.HiddenAt(ctx, u, v.State.ID, messages)
	if err != nil {
		return away(err)
	}
	for i, r := range records {
		if at := hidden[r.MessageID]; at > 0 {
			records[i] = bare(r)
			records[i].DeletedAt = at
		} else if r.Type == frame.TypeEdit && hidden[r.TargetMessageID] > 0 {
			records[i] = bare(r)
		}
	}
	return nil
}

// about is the seq of the message that an edit is about, -1 if it does not say.
func about(r frame.Event) int64 {
	m, err := id.ParseMessage(r.TargetMessageID)
	if err != nil {
		return -1
	}
	return m.Seq()
}

// bare is a record without what was said.
func bare(r frame.Event) frame.Event {
	return frame.Event{
		ConversationID: r.ConversationID, Seq: r.Seq, MessageID: r.MessageID, Type: r.Type, SenderID: r.SenderID, DeviceID: r.DeviceID,
		Timestamp: r.Timestamp, Status: r.Status,
	}
}

// Conversation is the conversation as u sees it, with what u wants of it; pointers are those of Pointers. Faults: Unavailable.
func (f *Feed) Conversation(ctx context.Context, v timeline.View, u id.User, pointers map[id.User]timeline.Pointer) (frame.Conversation, error) {
	out, err := f.Summary(ctx, v, u, pointers)
	if err != nil {
		return out, err
	}
	me := pointers[u]
	want := me.Prefs.Frame(v.State.ID)
	out.MutedUntil, out.IsPinned, out.IsArchived, out.MarkedUnread = want.MutedUntil, want.IsPinned, want.IsArchived, want.MarkedUnread
	out.Notifications, out.Draft, out.IsRequest, out.IsHidden = want.Notifications, want.Draft, want.IsRequest, want.IsHidden
	if out.Membership == conversation.Joined {
		out.UnreadCount = me.Unread(v.Head.Count)
		out.HeadSeq = me.Top(out.HeadSeq)
	}
	return out, f.preview(ctx, v, u, pointers, &out)
}

// previewDepth bounds how far back a message is looked for that may be shown in place of the last.
const previewDepth = 50

// preview makes the last message one that u gets; a request has none.
func (f *Feed) preview(ctx context.Context, v timeline.View, u id.User, pointers map[id.User]timeline.Pointer, out *frame.Conversation) error {
	if out.LastMessage == nil {
		return nil
	}
	m, _ := v.State.Member(u)
	me, last := pointers[u], out.LastMessage
	none := func() { out.LastMessage, out.LastMessageAt = nil, m.JoinedAt }
	if me.Prefs != nil && me.Prefs.Consent != "" {
		none()
		return nil
	}
	one := []frame.Event{*last}
	if err := f.Personal(ctx, v, u, me, one); err != nil || Shown(one[0]) && (v.Last.Facts == nil || me.Prefs == nil || len(me.Prefs.Withheld) == 0) {
		return err
	}
	none()
	r := timeline.Sight(v, u, me)
	r.To, r.Limit, r.Newest = min(r.To, me.Top(v.Head.Seq)), previewDepth, true
	events, err := f.Log.Events(ctx, v.Shard, v.Conv, r)
	if err != nil {
		return away(err)
	}
	records, err := f.Records(v, u, pointers, events)
	if err != nil {
		return err
	}
	if err := f.Personal(ctx, v, u, me, records); err != nil {
		return err
	}
	for i := len(records) - 1; i >= 0; i-- {
		if records[i].Type == frame.TypeMessage && Shown(records[i]) {
			records[i].Reactions, records[i].ChangedSeq = nil, 0
			out.LastMessage, out.LastMessageAt = &records[i], records[i].Timestamp
			return nil
		}
	}
	return nil
}

// Shown tells whether the reader of the record gets what everybody does.
func Shown(r frame.Event) bool { return r.Withheld == "" && (r.DeletedAt == 0 || r.DeletedBy != "") }

// receipts are the pointers of members that moved after mark since, as far as u sees that they did.
func (f *Feed) receipts(ctx context.Context, v timeline.View, u id.User, pointers map[id.User]timeline.Pointer, since int64) ([]frame.Receipt, error) {
	me := pointers[u]
	var others []id.User
	for other, p := range pointers {
		m, _ := v.State.Member(other)
		asked := me.Prefs != nil && me.Prefs.Consent != ""
		muted := p.Prefs != nil && p.Prefs.Shown != nil
		if p.Mark > since && m.Membership == conversation.Joined && (other == u || !asked && !muted) {
			others = append(others, other)
		}
	}
	if len(others) == 0 {
		return nil, nil
	}
	if err := f.Seen(ctx, v, u, pointers, others); err != nil {
		return nil, err
	}
	hidden, err := f.hideReads(ctx, append([]id.User{u}, others...))
	if err != nil {
		return nil, err
	}
	var out []frame.Receipt
	for _, other := range others {
		p := pointers[other]
		if other != u && (hidden[u] || hidden[other]) && p.DeliveredMark <= since {
			continue // That only the reading moved is not to be seen.
		}
		out = append(out, frame.Receipt{ConversationID: string(v.State.ID), UserID: string(other), DeliveredSeq: p.Delivered, ReadSeq: p.Read})
	}
	return out, nil
}

// account adds what changed of the account data, before anything else of a page. It returns false if the page is full.
func (p *puller) account(ctx context.Context) (bool, error) {
	if p.feed.People == nil {
		return true, nil
	}
	version, err := p.feed.People.DataVersion(ctx, p.user)
	if err != nil {
		return false, away(err)
	}
	if version <= p.next.account {
		return true, nil
	}
	items, upto, reset, more, err := p.feed.People.DataSince(ctx, p.user, p.next.account, pageEvents, pageBytes)
	if err != nil {
		return false, away(err)
	}
	p.page.AccountData, p.page.AccountReset = items, reset
	p.next.account = upto
	if !more {
		p.next.account = max(upto, version)
	}
	for _, it := range items {
		p.bytes += len(it.Value) + len(it.Key) + recordBytes/4
	}
	p.page.HasMore = more
	return !more, nil
}
