// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/limit"
	"parley.chat/core/timeline"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// Log is what Moments need of the logs, as *timeline.Timeline has it.
type Log interface {
	View(ctx context.Context, c id.Conversation) (timeline.View, error)
	Pointers(ctx context.Context, c id.Conversation) (map[id.User]timeline.Pointer, error)
	Reach(ctx context.Context, c id.Conversation, u id.User, delivered, read int64) (behind bool, err error)
}

// Readers tell who neither shows nor sees what was read, as *account.People does.
type Readers interface {
	HideReads(ctx context.Context, users []id.User) (map[id.User]bool, error)
}

// Hearers tell members that a user of another server types, as *ephemeral.Presence does.
type Hearers interface {
	Heard(ctx context.Context, c id.Conversation, u id.User, on bool, members []id.User) error
}

// MomentOptions make Moments; all but Log and Now are needed.
type MomentOptions struct {
	Directory *Directory // by it transactions go out
	Timeline  Log
	Readers   Readers
	Hearers   Hearers
	Log       *slog.Logger
}

// Times and bounds of what is of the moment.
const (
	gatherTime    = 300 * time.Millisecond // what moves within it goes out together
	againTime     = 2 * time.Second        // until a server that did not answer is looked at again
	maxMoved      = 10_000                 // pointers that wait for one server
	maxWaiting    = 100_000                // pointers that wait for all of them; others are told when they move again
	maxTo         = 1024                   // servers for which something waits
	maxAhead      = 256                    // members of one server who are further than the log is here
	aheadLife     = 10 * time.Minute       // until they are forgotten
	maxNewcomers  = 1024                   // servers that got a conversation and are to be told of all pointers
	momentsMinute = 6000                   // typing, and receipts, of one server
)

// Moments takes typing and receipts to other servers and from them. Make it with NewMoments, and Run it.
type Moments struct {
	MomentOptions
	wake   chan struct{}
	typing *limit.Counter
	moved  *limit.Counter

	mu    sync.Mutex
	fresh map[moved]bool // pointers of users of this server that moved, not sorted by server yet
	to    map[id.Server]*pack
	// waiting is how many pointers are in to.
	waiting int
	ahead   map[id.Server]map[moved]ahead // of users of other servers
	grew    map[id.Conversation]struct{}
	came    map[newcomer]struct{}
}

// ahead is a receipt that waits for its entries.
type ahead struct {
	replica.Receipt
	until time.Time
}

// newcomer is a server that got its first member of a conversation.
type newcomer struct {
	conv   id.Conversation
	server id.Server
}

// The value of a moved pointer tells whether it was the delivered one: that somebody read is not told of who hides it.

// moved is a member whose pointer moved.
type moved struct {
	conv id.Conversation
	user id.User
}

// pack is what waits for one server.
type pack struct {
	typing  map[moved]bool // lost if it cannot go out now
	moved   map[moved]bool
	sending bool
}

// NewMoments makes Moments.
func NewMoments(o MomentOptions) *Moments {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	rate := limit.Rate{Count: momentsMinute, Per: time.Minute}
	return &Moments{
		MomentOptions: o, wake: make(chan struct{}, 1), typing: limit.NewCounter(rate, maxServers), moved: limit.NewCounter(rate, maxServers),
		fresh: map[moved]bool{}, to: map[id.Server]*pack{}, ahead: map[id.Server]map[moved]ahead{}, grew: map[id.Conversation]struct{}{}, came: map[newcomer]struct{}{},
	}
}

// Typing notes for the servers of members of other servers that a user of this one types, or no more. It never blocks; what a server
// cannot be told now it is not told later. spec: FED-MOMENT-1
func (m *Moments) Typing(c id.Conversation, u id.User, on bool, members []id.User) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range members {
		s := other.Server()
		if s == m.Directory.Self || m.Directory.Caller == nil {
			continue
		}
		if p := m.pack(s); p != nil && (len(p.typing) < replica.MaxItems || !on) {
			p.typing[moved{c, u}] = on
		}
	}
	m.stir()
}

// Moved notes that pointers of members moved. It never blocks.
func (m *Moments) Moved(list []conversation.Receipt) {
	if m.Directory.Caller == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range list {
		if r.Prefs == nil && r.User.Server() == m.Directory.Self && len(m.fresh) < maxMoved {
			key := moved{r.ConversationID, r.User}
			m.fresh[key] = m.fresh[key] || r.Status != "read"
		}
	}
	if len(m.fresh) > 0 {
		m.stir()
	}
}

// Committed notes that logs grew: receipts that were ahead of them may be in place now, and a server that got its first member is
// to know how far ours are. It never blocks.
func (m *Moments) Committed(events []conversation.Committed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.grew) + len(m.came)
	for _, e := range events {
		if len(m.ahead) > 0 {
			m.grew[e.Event.ConversationID] = struct{}{}
		}
		if m.Directory.Caller == nil || e.State == nil || !conversation.ChangesState(e.Event.Type) || len(e.State.Servers()) < 2 {
			continue
		}
		for _, s := range newServers(e.State, e.Event.Seq) {
			if s != m.Directory.Self && len(m.came) < maxNewcomers {
				m.came[newcomer{e.Event.ConversationID, s}] = struct{}{}
			}
		}
	}
	if len(m.grew)+len(m.came) > before {
		m.stir()
	}
}

// newServers are those all of whose joined members joined by the entry.
func newServers(s *conversation.State, seq int64) (out []id.Server) {
	isNew := map[id.Server]bool{}
	for u, one := range s.Members {
		if one.Membership == conversation.Joined {
			have, known := isNew[u.Server()]
			isNew[u.Server()] = one.JoinedSeq == seq && (have || !known)
		}
	}
	for server, is := range isNew {
		if is {
			out = append(out, server)
		}
	}
	return out
}

// pack finds or makes what waits for a server, nil if there are too many; the caller holds mu.
func (m *Moments) pack(s id.Server) *pack {
	p := m.to[s]
	if p == nil && len(m.to) < maxTo {
		p = &pack{typing: map[moved]bool{}, moved: map[moved]bool{}}
		m.to[s] = p
	}
	return p
}

func (m *Moments) stir() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run sends what is noted until ctx is done.
func (m *Moments) Run(ctx context.Context) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	again := time.NewTimer(againTime)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		case <-again.C:
		}
		select { // What comes at once goes together.
		case <-ctx.Done():
			return nil
		case <-time.After(gatherTime):
		}
		m.catchUp(ctx)
		m.welcome(ctx)
		m.sort(ctx)
		m.send(ctx, &sending)
		if m.waits() {
			again.Reset(againTime)
		}
	}
}

// waits tells whether something is left for servers that did not answer.
func (m *Moments) waits() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.to) > 0
}

// sort gives each server of a conversation the pointers that moved in it.
func (m *Moments) sort(ctx context.Context) {
	m.mu.Lock()
	fresh := m.fresh
	m.fresh = map[moved]bool{}
	m.mu.Unlock()
	servers := map[id.Conversation][]id.Server{}
	for one, delivered := range fresh {
		list, known := servers[one.conv]
		if !known {
			list = m.servers(ctx, one.conv)
			servers[one.conv] = list
		}
		m.mu.Lock()
		for _, s := range list {
			m.put(s, one, delivered)
		}
		m.mu.Unlock()
	}
}

// put notes a pointer for a server, if there is room; the caller holds mu.
func (m *Moments) put(s id.Server, one moved, delivered bool) {
	p := m.pack(s)
	if p == nil {
		return
	}
	have, again := p.moved[one]
	if !again {
		if len(p.moved) >= maxMoved || m.waiting >= maxWaiting {
			return
		}
		m.waiting++
	}
	p.moved[one] = have || delivered
}

// welcome gives servers that got a conversation the pointers of all our members in it.
func (m *Moments) welcome(ctx context.Context) {
	m.mu.Lock()
	came := m.came
	m.came = map[newcomer]struct{}{}
	m.mu.Unlock()
	for n := range came {
		list, err := m.ReceiptsOf(ctx, n.conv)
		if err != nil {
			m.Log.Debug("pointers not known", slog.Any("error", err))
			continue
		}
		m.mu.Lock()
		for _, r := range list {
			m.put(n.server, moved{n.conv, r.UserID}, true)
		}
		m.mu.Unlock()
	}
}

// servers are the others with joined members.
func (m *Moments) servers(ctx context.Context, c id.Conversation) []id.Server {
	v, err := m.Timeline.View(ctx, c)
	if err != nil {
		return nil // It moves again.
	}
	return slices.DeleteFunc(slices.Clone(v.State.Servers()), func(s id.Server) bool { return s == m.Directory.Self })
}

// send hands each server what waits for it, unless something is on its way to it already.
func (m *Moments) send(ctx context.Context, sending *sync.WaitGroup) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s, p := range m.to {
		if p.sending || m.Directory.isLeftAlone(s) {
			clear(p.typing)
		}
		if p.sending {
			continue
		}
		if len(p.typing) == 0 && len(p.moved) == 0 {
			delete(m.to, s)
			continue
		}
		if m.Directory.isLeftAlone(s) {
			continue
		}
		p.sending = true
		sending.Go(func() { m.deliver(ctx, s, p) })
	}
}

// deliver sends one transaction.
func (m *Moments) deliver(ctx context.Context, to id.Server, p *pack) {
	tx, taken := m.take(ctx, p)
	var err error
	if len(tx.Items) > 0 || len(tx.Typing) > 0 {
		err = m.Directory.ask(ctx, question{to: to, path: replica.TransactionsPath}, tx, &replica.Taken{})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p.sending = false
	if err != nil {
		for one, delivered := range taken {
			m.put(to, one, delivered)
		}
		m.Log.Debug("what is of the moment was not told", slog.String("server", string(to)), slog.Any("error", err))
		return
	}
	if len(p.moved) > 0 || len(p.typing) > 0 {
		m.stir()
	} else {
		delete(m.to, to)
	}
}

// take makes a transaction of what waits. Typing is taken for good; pointers are put back if they do not arrive.
func (m *Moments) take(ctx context.Context, p *pack) (tx replica.Transaction, taken map[moved]bool) {
	taken = map[moved]bool{}
	by := map[id.Conversation]map[id.User]bool{}
	m.mu.Lock()
	for one, on := range p.typing {
		tx.Typing = append(tx.Typing, frame.Typing{ConversationID: string(one.conv), UserID: string(one.user), IsTyping: on})
	}
	clear(p.typing)
	for one, delivered := range p.moved {
		if by[one.conv] == nil {
			if len(by) == replica.MaxItems {
				continue
			}
			by[one.conv] = map[id.User]bool{}
		}
		by[one.conv][one.user], taken[one] = delivered, delivered
		delete(p.moved, one)
		m.waiting--
	}
	m.mu.Unlock()
	for c, users := range by {
		list, err := m.receipts(ctx, c, users)
		if err != nil { // They move again.
			m.Log.Debug("receipts not known", slog.Any("error", err))
			continue
		}
		if len(list) > 0 {
			tx.Items = append(tx.Items, replica.Item{ConversationID: c, Receipts: list})
		}
	}
	return tx, taken
}
