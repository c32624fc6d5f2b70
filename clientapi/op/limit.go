// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"fmt"
	"time"

	"parley.chat/core/account"
	"parley.chat/core/feed"
	"parley.chat/core/limit"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

const day = 24 * time.Hour

// Ages tells how old accounts are.
type Ages interface {
	Profile(ctx context.Context, u id.User) (account.User, error)
}

// Creations bounds the conversations a user creates in a day. Make it with NewCreations.
type Creations struct {
	newcomers, everyone int // 0: no limit
	ages                Ages
	now                 func() time.Time
	first, later        *limit.Counter
}

// NewCreations makes the limits: of accounts younger than a day, and of all. 0 is none. now nil is time.Now.
func NewCreations(newcomers, everyone int, ages Ages, now func() time.Time) *Creations {
	if now == nil {
		now = time.Now
	}
	return &Creations{
		newcomers: newcomers, everyone: everyone, ages: ages, now: now,
		first: limit.NewCounter(limit.Rate{Count: newcomers, Per: day}, 0),
		later: limit.NewCounter(limit.Rate{Count: everyone, Per: day}, 0),
	}
}

// take spends one of the caller's creations; undo gives it back. Faults: rate_limited. spec: ABUSE-NEWCOMER-1
func (l *Creations) take(ctx context.Context, o *Conversations, c Caller) (undo func(), err error) {
	none := func() {}
	if l == nil || l.newcomers == 0 && l.everyone == 0 {
		return none, nil
	}
	u, err := l.ages.Profile(ctx, c.User)
	if err != nil {
		return none, err
	}
	counter, most, at := l.later, l.everyone, l.now().UnixMilli()
	if at-u.CreatedAt < day.Milliseconds() && l.newcomers > 0 {
		counter, most = l.first, l.newcomers
	}
	if err := l.recall(ctx, o, c, counter, at); err != nil {
		return none, err
	}
	if wait := counter.Take(string(c.User), 1, at); wait > 0 {
		if counter == l.first { // Older accounts have their own limit.
			wait = min(wait, time.Duration(u.CreatedAt+day.Milliseconds()-at)*time.Millisecond)
		}
		return none, limit.Refusal(wait, fmt.Sprintf("at most %d new conversations a day", most))
	}
	return func() { counter.Return(string(c.User), 1, at) }, nil
}

// recallMost bounds the conversations looked at to find out how many a user created.
const recallMost = 1000

// recall counts what the log has of the last day, when nothing of the user is in memory: after a restart a limit does not
// begin anew.
func (l *Creations) recall(ctx context.Context, o *Conversations, c Caller, counter *limit.Counter, now int64) error {
	if counter.Known(string(c.User)) {
		return nil
	}
	index, err := o.Feed.Log.UserIndex(ctx, c.User)
	if err != nil {
		return err
	}
	var made []int64
	looked := 0
	for _, m := range index {
		if m.ChangedAt <= now-day.Milliseconds() {
			continue
		}
		if looked++; looked > recallMost {
			break
		}
		at, err := o.madeBy(ctx, c.User, m)
		if err != nil {
			return err
		}
		if at > 0 {
			made = append(made, at)
		}
	}
	if counter.Begin(string(c.User)) { // Else another request was first.
		for _, at := range made {
			counter.Note(string(c.User), 1, at)
		}
	}
	return nil
}

// madeBy tells when the user created the conversation, 0 if somebody else did.
func (o *Conversations) madeBy(ctx context.Context, u id.User, m feed.Membership) (int64, error) {
	v, err := o.Timeline.View(ctx, m.ID)
	if err != nil {
		return 0, err
	}
	events, err := o.Feed.Log.Events(ctx, v.Shard, v.Conv, timeline.Range{From: 0, To: 0, Limit: 1})
	if err != nil || len(events) == 0 || events[0].Sender != u {
		return 0, err
	}
	return events[0].HubTime, nil
}

// Requests bounds what one user asks in all, over REST and apart from that on sockets. Make it with NewRequests; nil is no limit.
type Requests struct {
	now         func() time.Time
	most        int
	rest, frame *limit.Counter
}

// requestsOver is the time over which requests are counted: so long a burst may be saved up for.
const requestsOver = 6 * time.Second

// NewRequests makes the limit of a second, 0 for none. now nil is time.Now.
func NewRequests(perSecond int, now func() time.Time) *Requests {
	if now == nil {
		now = time.Now
	}
	r := limit.Rate{Count: perSecond * int(requestsOver/time.Second), Per: requestsOver}
	return &Requests{now: now, most: perSecond, rest: limit.NewCounter(r, 0), frame: limit.NewCounter(r, 0)}
}

// Request spends one request over REST. Faults: rate_limited. spec: ABUSE-REQUEST-1
func (l *Requests) Request(c Caller) error {
	if l == nil {
		return nil
	}
	return l.take(l.rest, c)
}

// Frame spends one frame of a socket. Faults: rate_limited. spec: ABUSE-REQUEST-1
func (l *Requests) Frame(c Caller) error {
	if l == nil {
		return nil
	}
	return l.take(l.frame, c)
}

func (l *Requests) take(counter *limit.Counter, c Caller) error {
	if wait := counter.Take(string(c.User), 1, l.now().UnixMilli()); wait > 0 {
		return limit.Refusal(wait, fmt.Sprintf("at most %d requests a second", l.most))
	}
	return nil
}

// Lookups bounds the names that are looked up by one user and from one address. Make it with NewLookups; nil is no limit.
type Lookups struct {
	now     func() time.Time
	since   int64 // when counting began: what was looked up before is not known
	most    int
	counter *limit.Counter
}

// NewLookups makes the limit of a minute, 0 for none. now nil is time.Now.
func NewLookups(most int, now func() time.Time) *Lookups {
	if now == nil {
		now = time.Now
	}
	return &Lookups{now: now, since: now().UnixMilli(), most: most, counter: limit.NewCounter(limit.Rate{Count: most, Per: time.Minute}, 0)}
}

// begin starts an operation that may tell who exists, about n names; done counts all of them if its error says that one of them
// does not. Faults: rate_limited. spec: ABUSE-LOOKUP-1
func (l *Lookups) begin(c Caller, n int) (done func(error), err error) {
	if l == nil || l.most <= 0 {
		return func(error) {}, nil
	}
	for _, key := range lookupKeys(c) {
		now := l.now().UnixMilli()
		l.recall(key, now)
		if wait := l.counter.Wait(key, 1, now); wait > 0 {
			return nil, limit.Refusal(wait, fmt.Sprintf("at most %d names are looked up a minute", l.most))
		}
	}
	return func(err error) {
		if fault.Is(err, fault.UnknownUser) {
			l.note(c, max(1, n))
		}
	}, nil
}

// recall takes half of the allowance for spent by whom nothing is known of in the first minute: a restart does not begin anew.
// spec: ABUSE-LOOKUP-3
func (l *Lookups) recall(key string, now int64) {
	if now-l.since < time.Minute.Milliseconds() && l.counter.Begin(key) {
		l.counter.Note(key, l.most/2, l.since)
	}
}

// note counts n names that were looked up.
func (l *Lookups) note(c Caller, n int) {
	if l == nil || l.most <= 0 {
		return
	}
	for _, key := range lookupKeys(c) {
		l.counter.Note(key, n, l.now().UnixMilli())
	}
}

// lookupKeys are the user and the address. A loopback address is that of a proxy on this machine, which is everybody's.
func lookupKeys(c Caller) []string {
	from := c.From
	keys := []string{"user " + string(c.User)}
	if !from.IsValid() || from.IsLoopback() {
		return keys
	}
	if from.Is6() {
		if p, err := from.WithZone("").Prefix(64); err == nil { // One customer.
			return append(keys, p.String())
		}
	}
	return append(keys, from.String())
}
