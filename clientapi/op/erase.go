// SPDX-License-Identifier: Apache-2.0

package op

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"parley.chat/core/account"
	"parley.chat/core/conversation"
	"parley.chat/core/feed"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// ErasureStore keeps how far erasures got.
type ErasureStore interface {
	Erasures(ctx context.Context, limit int) ([]account.Erasure, error)
	AdvanceErasure(ctx context.Context, e account.Erasure, doneAt int64) error
	// ForgetPrefs deletes the member's own settings of a conversation.
	ForgetPrefs(ctx context.Context, n id.Shard, conv int64, u id.User) error
}

// Eraser erases accounts: at once what the account is, and in Run what it left in conversations. Make it with NewEraser.
type Eraser struct {
	Open, Erased atomic.Int64 // erasures under way, and messages erased since the start

	conversations *Conversations
	accounts      *account.Accounts
	store         ErasureStore
	now           func() time.Time
	log           *slog.Logger
	poke          chan struct{}
}

// NewEraser makes an Eraser.
func NewEraser(o *Conversations, a *account.Accounts, s ErasureStore, now func() time.Time, log *slog.Logger) *Eraser {
	return &Eraser{conversations: o, accounts: a, store: s, now: now, log: log, poke: make(chan struct{}, 1)}
}

// Erase ends the caller's account and begins to erase it. Faults: invalid_field, wrong_credentials, rate_limited.
// spec: ERASE-ACCOUNT-1
func (e *Eraser) Erase(ctx context.Context, c Caller, in rest.Erase) error {
	if in.Messages != rest.EraseKeep && in.Messages != rest.EraseAll {
		return fault.Invalid("messages", "must be keep or erase")
	}
	if err := e.accounts.Erase(ctx, c.account(), in.Password, in.Messages == rest.EraseAll); err != nil {
		return err
	}
	select {
	case e.poke <- struct{}{}:
	default:
	}
	return nil
}

const (
	eraseEvery = 30 * time.Second // looks for what a failure or another node left
	erasePause = 50 * time.Millisecond
	eraseMany  = 100
)

// Run works on erasures until ctx ends; it goes on where it, or a node before it, was interrupted.
func (e *Eraser) Run(ctx context.Context) error {
	tick := time.NewTicker(eraseEvery)
	defer tick.Stop()
	for {
		if err := e.all(ctx); err != nil && ctx.Err() == nil {
			e.log.Info("erasing goes on later", slog.Any("error", err))
			e.later(ctx, time.Second)
			continue
		}
		select {
		case <-tick.C:
		case <-e.poke:
		case <-ctx.Done():
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (e *Eraser) later(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (e *Eraser) all(ctx context.Context) error {
	list, err := e.store.Erasures(ctx, eraseMany)
	if err != nil {
		return err
	}
	e.Open.Store(int64(len(list)))
	for _, one := range list {
		if err := e.one(ctx, one); err != nil {
			return err
		}
		e.Open.Add(-1)
	}
	return nil
}

// one goes through the conversations of an account in order of id.
func (e *Eraser) one(ctx context.Context, a account.Erasure) error {
	index, err := e.conversations.Feed.Log.UserIndex(ctx, a.User)
	if err != nil {
		return err
	}
	slices.SortFunc(index, func(x, y feed.Membership) int { return compareConversations(x.ID, y.ID) })
	for _, m := range index {
		if a.After != "" && compareConversations(m.ID, a.After) <= 0 {
			continue
		}
		if err := e.conversation(ctx, &a, m.ID); err != nil {
			return err
		}
		a.After = m.ID
		if err := e.store.AdvanceErasure(ctx, a, 0); err != nil {
			return err
		}
	}
	if err := e.unsubscribe(ctx, a.User); err != nil {
		return err
	}
	return e.store.AdvanceErasure(ctx, a, e.now().UnixMilli())
}

func compareConversations(a, b id.Conversation) int {
	x, y := a.Bytes(), b.Bytes()
	return bytes.Compare(x[:], y[:])
}

// conversation erases the account's messages in one conversation and ends the membership. spec: ERASE-MESSAGES-1
func (e *Eraser) conversation(ctx context.Context, a *account.Erasure, conv id.Conversation) error {
	o := e.conversations
	v, err := o.Timeline.View(ctx, conv)
	if err != nil {
		return err
	}
	for after, more := int64(-1), a.Messages; more; {
		n, last, err := o.Timeline.EraseBy(ctx, conv, a.User, after)
		if err != nil {
			return err
		}
		a.Erased += int64(n)
		e.Erased.Add(int64(n))
		after, more = last, n == timeline.EraseSize
		if more {
			e.later(ctx, erasePause) // Senders come first.
		}
	}
	if err := e.store.ForgetPrefs(ctx, v.Shard, v.Conv, a.User); err != nil {
		return err
	}
	if m, _ := v.State.Member(a.User); m.Membership != conversation.Joined || v.State.Type() == event.Direct {
		return nil
	}
	gone := Caller{User: a.User, Device: id.NewDevice()}
	_, err = o.propose(ctx, gone, conv, conversation.Proposal{Type: frame.TypeMemberLeave})
	if fault.Is(err, fault.NotMember) {
		return nil // Somebody was faster.
	}
	return err
}

// unsubscribe ends the account's subscriptions of channels.
func (e *Eraser) unsubscribe(ctx context.Context, u id.User) error {
	o := e.conversations
	if o.Channels == nil {
		return nil
	}
	list, err := o.Channels.Of(ctx, u)
	if err != nil {
		return err
	}
	for _, conv := range list {
		v, err := o.Timeline.View(ctx, conv)
		if err == nil {
			err = o.Channels.Unsubscribe(ctx, v, u, false)
		}
		if err != nil && !fault.Is(err, fault.UnknownConversation) {
			return err
		}
	}
	return nil
}
