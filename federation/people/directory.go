// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"parley.chat/core/ephemeral"
	"parley.chat/core/limit"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Caller asks another server, signed, and reads its answer into out. Errors are faults: server_refused, rate_limited,
// unknown_user for a server that does not exist; whatever else the other answers comes with its own code; anything that is no
// fault means that it was not reached, or did not answer.
type Caller interface {
	Call(ctx context.Context, to id.Server, path string, in, out any) error
}

// Options make a Directory.
type Options struct {
	Self    id.Server
	Caller  Caller                // nil: this server does not federate, and users of others do not exist
	Now     func() time.Time      // nil: the clock of the machine
	Log     *slog.Logger          // nil to discard
	Metrics prometheus.Registerer // nil: none
}

// Times and bounds of what is asked.
const (
	inviteTime   = 15 * time.Second // of all questions of one request
	knownLife    = 5 * time.Minute  // of a profile. spec: FED-USERS-4
	unknownLife  = time.Minute      // of the answer that there is no such user
	askTime      = 5 * time.Second  // of one question, while a user waits
	firstPause   = 2 * time.Second  // after a question that was not answered
	longestPause = 2 * time.Minute  // after many of them
	maxProfiles  = 20_000           // kept
	maxServers   = 4096             // of which it is noted that they do not answer
	atOnce       = 8                // questions to one server at a time
	serversAside = 16               // servers asked at a time for one request
	retryDefault = 10 * time.Second // when another server does not say
	metLife      = 24 * time.Hour   // a server that answered is no stranger for so long
	maxInvited   = 50               // servers one request may invite from. spec: FED-INVITE-1
	userMeets    = 100              // servers never met that one user may have asked in an hour. spec: FED-USERS-9
	allMeet      = 600              // … and all users in a minute
)

// Directory asks other servers about their users. Make it with NewDirectory.
type Directory struct {
	Options
	profiles *cache[lookup, Profile]
	exists   *cache[id.User, bool]
	presence *cache[ephemeral.Pair, ephemeral.Far]
	met      *cache[id.Server, struct{}]
	flights  singleflight.Group
	ofUser   *limit.Counter // of servers never met, by user
	ofAll    *limit.Counter
	asked    *prometheus.CounterVec

	mu      sync.Mutex
	servers map[id.Server]*standing
}

// lookup is a user as one viewer sees them.
type lookup struct{ viewer, user id.User }

// Profile is how a user of another server is shown; the name may be empty.
type Profile struct{ DisplayName, AvatarURL string }

// standing is how a server answered lately.
type standing struct {
	under    int // questions under way
	failures int
	until    time.Time // not asked before
}

// NewDirectory makes a Directory.
func NewDirectory(o Options) *Directory {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Directory{
		Options: o, servers: map[id.Server]*standing{},
		profiles: newCache[lookup, Profile](maxProfiles, o.Now), exists: newCache[id.User, bool](maxProfiles, o.Now),
		presence: newCache[ephemeral.Pair, ephemeral.Far](maxPresence, o.Now), met: newCache[id.Server, struct{}](maxServers, o.Now),
		ofUser: limit.NewCounter(limit.Rate{Count: userMeets, Per: time.Hour}, 0), ofAll: limit.NewCounter(limit.Rate{Count: allMeet, Per: time.Minute}, 1),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_people_questions_total", Help: "Questions to other servers about users, by route and code; code is empty for those answered.",
		}, []string{"route", "code"}),
	}
	if o.Metrics != nil {
		o.Metrics.MustRegister(d.asked)
	}
	return d
}

// IsHere tells whether the user is one of this server.
func (d *Directory) IsHere(u id.User) bool { return u.Server() == d.Self }

// Heard notes that a server is there: it asked something itself.
func (d *Directory) Heard(s id.Server) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if st := d.servers[s]; st != nil {
		st.failures, st.until = 0, time.Time{}
	}
}

// isLeftAlone tells whether a server is not asked for now.
func (d *Directory) isLeftAlone(s id.Server) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := d.servers[s]
	return st != nil && d.Now().Before(st.until)
}

// question is what is asked of another server, and for whom.
type question struct {
	asker id.User // who made us ask; empty: nobody did, the server is known by its members
	to    id.Server
	path  string
}

// anyone stands for users who are not named to other servers.
const anyone id.User = "anyone"

// ask asks a server, unless it is left alone for now. Faults: server_unreachable, and those of Caller. spec: FED-USERS-5
func (d *Directory) ask(ctx context.Context, q question, in, out any) error {
	err := d.askNow(ctx, q, in, out)
	code := ""
	if err != nil {
		code = string(fault.From(err).Code)
	}
	d.asked.WithLabelValues(q.path, code).Inc()
	return err
}

func (d *Directory) askNow(ctx context.Context, q question, in, out any) error {
	to := q.to
	if d.Caller == nil || !to.IsDomain() {
		return fault.New(fault.UnknownUser, "this server does not reach %s", to)
	}
	done, err := d.begin(to)
	if err == nil {
		if err = d.meet(q); err != nil {
			done(nil)
		}
	}
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	err = d.Caller.Call(asking, to, q.path, in, out)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) { // Who asked is gone; that says nothing of the other server.
		done(nil)
		return fault.New(fault.Unavailable, "the question was given up").Because(err)
	}
	f := reason(to, err)
	done(f)
	if f == nil || f.Code != fault.ServerUnreachable && f.Code != fault.UnknownUser {
		d.met.put(to, struct{}{}, metLife)
	}
	if f == nil {
		return nil
	}
	return f
}

// meet spends of the allowance of servers that are asked for the first time: nobody shall make this server knock at many doors.
// spec: FED-USERS-9
func (d *Directory) meet(q question) error {
	if _, known := d.met.get(q.to); known || q.asker == "" {
		return nil
	}
	at := d.Now().UnixMilli()
	wait := d.ofUser.Take(string(q.asker), 1, at)
	if wait == 0 {
		wait = d.ofAll.Take("", 1, at)
	}
	if wait > 0 {
		return limit.Refusal(wait, "too many servers that were not met before")
	}
	return nil
}

// reason is the fault that users are told.
func reason(to id.Server, err error) *fault.Error {
	if err == nil {
		return nil
	}
	f := fault.From(err)
	switch f.Code {
	case fault.ServerRefused, fault.UnknownUser, fault.LinkInvalid, fault.LinkRevoked, fault.LinkExpired, fault.LinkUsedUp, fault.Banned:
		return f
	case fault.RateLimited:
		if f.RetryAfter <= 0 {
			f = fault.Retry(fault.RateLimited, retryDefault, "%s", f.Message).Because(err)
		}
		return f
	}
	return unreachable(to, firstPause).Because(err)
}

func unreachable(s id.Server, after time.Duration) *fault.Error {
	return fault.Retry(fault.ServerUnreachable, after, "the server %s does not answer now", s)
}

// begin takes a place among the questions to a server; done gives it back.
func (d *Directory) begin(to id.Server) (done func(*fault.Error), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := d.servers[to]
	if st == nil {
		d.makeRoom()
		st = &standing{}
		d.servers[to] = st
	}
	now := d.Now()
	if wait := st.until.Sub(now); wait > 0 {
		return nil, unreachable(to, wait)
	}
	if st.under >= atOnce {
		return nil, fault.Retry(fault.ServerUnreachable, time.Second, "too much is asked of the server %s now", to)
	}
	st.under++
	return func(f *fault.Error) { d.end(to, st, f) }, nil
}

// makeRoom forgets a server that nothing is asked of; the caller holds mu.
func (d *Directory) makeRoom() {
	if len(d.servers) < maxServers {
		return
	}
	for s, st := range d.servers {
		if st.under == 0 {
			delete(d.servers, s)
			return
		}
	}
}

func (d *Directory) end(to id.Server, st *standing, f *fault.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st.under--
	switch {
	case f != nil && f.Code == fault.RateLimited:
		st.until = d.Now().Add(min(f.RetryAfter, longestPause))
	case f == nil || f.Code != fault.ServerUnreachable:
		st.failures = 0
		if st.under == 0 && st.until.IsZero() {
			delete(d.servers, to)
		}
	default:
		st.failures = min(st.failures+1, 16)
		pause := min(firstPause<<(st.failures-1), longestPause)
		st.until = d.Now().Add(pause/2 + rand.N(pause/2+1)) // Not all at the same moment, when it is back.
	}
}

// byServer groups users of other servers.
func byServer(users []id.User) map[id.Server][]id.User {
	out := map[id.Server][]id.User{}
	for _, u := range users {
		out[u.Server()] = append(out[u.Server()], u)
	}
	return out
}
