// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"time"

	"parley.chat/protocol/id"
)

// Posts bounds what a user adds to logs in a minute: everywhere, and in one group. Make it with NewPosts.
type Posts struct {
	since    int64 // when counting began: what the log has from before it was not seen here
	user     *Counter
	member   *Counter
	everyone int
	group    int
}

// NewPosts makes the limits; 0 is none. now is in Unix milliseconds.
func NewPosts(everywhere, inGroup int, now int64) *Posts {
	return &Posts{
		since: now, everyone: everywhere, group: inGroup,
		user:   NewCounter(Rate{everywhere, time.Minute}, 0),
		member: NewCounter(Rate{inGroup, time.Minute}, 0),
	}
}

// Allow spends one for an entry of the user; group is empty where the limit of groups does not hold. Faults: rate_limited.
func (p *Posts) Allow(u id.User, group id.Conversation, at int64) error {
	if group != "" {
		if wait := p.member.Take(memberKey(u, group), 1, at); wait > 0 {
			return Refusal(wait, fmt.Sprintf("at most %d messages a minute in one group", p.group))
		}
	}
	wait := p.user.Take(string(u), 1, at)
	if wait == 0 {
		return nil
	}
	if group != "" {
		p.member.Return(memberKey(u, group), 1, at)
	}
	return Refusal(wait, fmt.Sprintf("at most %d messages a minute", p.everyone))
}

// Past tells of an entry found in the log, made at a time. Those from after the beginning were counted by Allow.
func (p *Posts) Past(u id.User, group id.Conversation, at int64) {
	if at >= p.since || at < p.since-time.Minute.Milliseconds() {
		return
	}
	p.user.Note(string(u), 1, at)
	if group != "" {
		p.member.Note(memberKey(u, group), 1, at)
	}
}

func memberKey(u id.User, group id.Conversation) string { return string(u) + " " + string(group) }
