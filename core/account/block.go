// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Block keeps the other out of what is between the two. It is idempotent. Faults: invalid_field, quota_exceeded.
func (p *People) Block(ctx context.Context, u, other id.User) error {
	if u == other {
		return fault.Invalid("userId", "nobody blocks themselves")
	}
	return p.Put(ctx, u, KindBlock, string(other), p.Now())
}

// Unblock undoes Block. It is idempotent.
func (p *People) Unblock(ctx context.Context, u, other id.User) error {
	return p.Put(ctx, u, KindBlock, string(other), nil)
}

// Blocks tells whether u blocks the other.
func (p *People) Blocks(ctx context.Context, u, other id.User) (bool, error) {
	one, err := p.Person(ctx, u)
	if err != nil {
		return false, err
	}
	_, blocked := one.Blocked[other]
	return blocked, nil
}

// HidesReads tells whether u neither shows what u has read nor sees what others have.
func (p *People) HidesReads(ctx context.Context, u id.User) (bool, error) {
	one, err := p.Person(ctx, u)
	return err == nil && !one.Settings.ReadReceipts, err
}

// Welcomes tells whether a new direct conversation from the other comes through to u as any does. Blocks are looked at apart.
func (p *People) Welcomes(ctx context.Context, u, other id.User) (bool, error) {
	return p.within(ctx, u, other, func(s Settings) Audience {
		if s.WhoMayMessage == Nobody { // Nobody new: contacts are not.
			return OnlyContacts
		}
		return s.WhoMayMessage
	})
}

// MayAdd tells whether the adder may put u into a group: also not whom u blocks.
func (p *People) MayAdd(ctx context.Context, u, adder id.User) (bool, error) {
	return p.open(ctx, u, adder, func(s Settings) Audience { return s.WhoMayAdd })
}

// ShowsOnline tells whether the viewer may see that u is online. Between users of whom one blocks the other nothing is seen.
func (p *People) ShowsOnline(ctx context.Context, u, viewer id.User) (bool, error) {
	return p.seen(ctx, u, viewer, func(s Settings) Audience { return s.Online })
}

// ShowsLastSeen tells whether the viewer may see when u was online last.
func (p *People) ShowsLastSeen(ctx context.Context, u, viewer id.User) (bool, error) {
	return p.seen(ctx, u, viewer, func(s Settings) Audience { return s.LastSeen })
}

func (p *People) seen(ctx context.Context, u, viewer id.User, of func(Settings) Audience) (bool, error) {
	blocked, err := p.Blocks(ctx, viewer, u)
	if err != nil || blocked {
		return false, err
	}
	return p.open(ctx, u, viewer, of)
}

func (p *People) open(ctx context.Context, u, other id.User, of func(Settings) Audience) (bool, error) {
	blocked, err := p.Blocks(ctx, u, other)
	if err != nil || blocked {
		return false, err
	}
	return p.within(ctx, u, other, of)
}

// within tells whether the other is among those whom u means.
func (p *People) within(ctx context.Context, u, other id.User, of func(Settings) Audience) (bool, error) {
	if u == other {
		return true, nil
	}
	one, err := p.Person(ctx, u)
	if err != nil {
		return false, err
	}
	switch of(one.Settings) {
	case Everyone:
		return true, nil
	case OnlyContacts:
		return p.contacts.Contact(ctx, u, other)
	}
	return false, nil
}
