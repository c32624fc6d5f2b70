// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"time"

	"parley.chat/core/fanout"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Registry is where live sessions are registered: core/fanout.
type Registry interface {
	Register(fanout.Session)
	Unregister(fanout.Session)
}

// waiter is a session that only notices.
type waiter struct {
	id     string
	user   id.User
	device id.Device
	notice chan struct{}
	gone   chan fault.Code
}

func (w *waiter) ID() string        { return w.id }
func (w *waiter) User() id.User     { return w.user }
func (w *waiter) Device() id.Device { return w.device }

// Deliver implements fanout.Session. What is only of the moment has no place in a poll.
func (w *waiter) Deliver(n *fanout.Note) {
	if n.Pos > 0 || n.Mark > 0 || n.Version > 0 || n.Frame.Type() == frame.ChannelHeadFrame {
		w.Lost()
	}
}

func (w *waiter) Lost() {
	select {
	case w.notice <- struct{}{}:
	default:
	}
}

func (w *waiter) Revoke(code fault.Code) {
	select {
	case w.gone <- code:
	default:
	}
}

// Wait is Pull as a long poll: if nothing moved it waits until something does, at most timeout, and answers an empty page
// then. spec: SYNC-POLL-1
func (f *Feed) Wait(ctx context.Context, reg Registry, sessionID string, u id.User, d id.Device, cursor string, timeout time.Duration) (*Page, error) {
	since, err := f.Decode(cursor, u)
	if err != nil {
		return nil, err
	}
	if timeout <= 0 {
		return f.Pull(ctx, u, since)
	}
	w := &waiter{id: sessionID, user: u, device: d, notice: make(chan struct{}, 1), gone: make(chan fault.Code, 1)}
	reg.Register(w)
	defer reg.Unregister(w)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		page, err := f.Pull(ctx, u, since)
		if err != nil || !page.Empty() {
			return page, err
		}
		select {
		case <-w.notice:
		case code := <-w.gone:
			return nil, fault.New(code, "the poll was ended: %s", fault.Lookup(code).Meaning)
		case <-timer.C:
			return page, nil
		case <-ctx.Done():
			return page, nil
		}
	}
}
