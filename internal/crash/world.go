// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.chat/internal/history"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// The world's sizes.
const (
	userCount   = 50 // of whom the first have devices that are connected
	socketUsers = 20
	twoDevices  = 6 // of them
	pollUsers   = 3
	eventUsers  = 2
	activeUsers = socketUsers + pollUsers + eventUsers
	directCount = 10
	password    = "correct horse battery"
)

// groupSizes are those of the groups at the beginning, 20 conversations with the direct ones.
func groupSizes() []int { return []int{3, 4, 5, 6, 8, 10, 12, 20, 35, 50} }

// world is everybody who talks to the server, and what they noticed.
type world struct {
	api  *api
	home string // of the users, where there are other servers
	rec  *history.Recorder
	rng  *rand.Rand

	users   []*login
	devices []*device
	guests  []guest
	groups  []string // whose owner is the user of the same index
	stats   counters

	mu       sync.Mutex
	problems []string
	load     bool
	waitFor  time.Time     // acknowledgements on connections opened before do not count
	first    chan struct{} // closed by the first that does
	lastMove time.Time
	touched  touched
	pointers *pointers
}

// guest is a client of another kind that takes part.
type guest interface {
	run(context.Context)
	busy() string           // what still moves, "" for nothing
	reader() history.Reader // without a conversation
}

// counters are numbers for the report, under the world's lock.
type counters struct {
	acks, resyncs, drops, forgotten, changes int
	accepted, failed                         int

	told, held int // receipts that came live, pointers in answers
}

func newWorld(address string, rng *rand.Rand) *world {
	return &world{api: newAPI(address), rec: history.NewRecorder(history.MachineClock), rng: rng, pointers: newPointers()}
}

func (w *world) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.problems) < 100 {
		w.problems = append(w.problems, fmt.Sprintf(format, args...))
	}
}

// suspect makes a problem of an answer that no crash explains.
func (w *world) suspect(d *device, err error) {
	var r *refusal
	if !errors.As(err, &r) {
		return
	}
	switch {
	case r.Status == http.StatusServiceUnavailable || r.Status == http.StatusTooManyRequests || r.Code == "not_member":
	case r.Code == "token_expired": // Between two requests; the next one refreshes.
	default:
		w.problem("device %s: %v", d.login.device, r)
	}
}

// isHome tells whether a user is one of the world's server.
func (w *world) isHome(user string) bool {
	return w.home == "" || strings.HasSuffix(user, "@"+w.home)
}

func (w *world) count(n *int) { w.countN(n, 1) }

func (w *world) countN(n *int, by int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n += by
}

func (w *world) moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastMove = time.Now()
}

func (w *world) loading() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.load
}

func (w *world) setLoad(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load, w.lastMove = on, time.Now()
}

// acked counts an acknowledgement and wakes who waits for the first one of a new server.
func (w *world) acked(d *device, live bool) {
	_, _, opened := d.state()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.acks++
	if w.first != nil && live && !opened.Before(w.waitFor) {
		close(w.first)
		w.first = nil
	}
}

// awaitAck returns a channel that is closed at the first acknowledgement on a connection opened after a time.
func (w *world) awaitAck(opened time.Time) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := make(chan struct{})
	w.first, w.waitFor = first, opened
	return first
}

// settle makes users, devices and conversations.
func (w *world) settle(ctx context.Context) error {
	w.users = make([]*login, userCount)
	eg, ectx := errgroup.WithContext(ctx)
	eg.SetLimit(4)
	for i := range w.users {
		eg.Go(func() (err error) {
			w.users[i], err = w.enter(ectx, "register", fmt.Sprintf("user%02d", i))
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	for i := range activeUsers {
		by := bySocket
		if i >= socketUsers {
			by = byPoll
		}
		if i >= socketUsers+pollUsers {
			by = byEvents
		}
		w.add(w.users[i], by)
	}
	for i := range twoDevices {
		second, err := w.enter(ctx, "login", fmt.Sprintf("user%02d", i))
		if err != nil {
			return err
		}
		w.add(second, bySocket)
	}
	return w.found(ctx)
}

func (w *world) add(l *login, by way) {
	w.devices = append(w.devices, newDevice(w, l, by, rand.New(rand.NewPCG(w.rng.Uint64(), 0))))
}

// enter registers or logs in.
func (w *world) enter(ctx context.Context, how, name string) (*login, error) {
	var s rest.Session
	in := rest.Login{Username: name, Password: password}
	if err := w.api.do(ctx, nil, http.MethodPost, "/api/v1/"+how, in, &s); err != nil {
		return nil, fmt.Errorf("%s %s: %w", how, name, err)
	}
	return &login{user: s.UserID, device: s.DeviceID, access: s.AccessToken, refresh: s.RefreshToken}, nil
}

// found makes the conversations of the beginning.
func (w *world) found(ctx context.Context) error {
	for i := range directCount {
		peer := w.users[(i+1+w.rng.IntN(activeUsers-1))%activeUsers]
		if _, err := w.create(ctx, w.users[i], rest.CreateConversation{Type: "direct", Members: []string{peer.user}}); err != nil {
			return err
		}
	}
	for i, size := range groupSizes() {
		var members []string
		for _, n := range w.rng.Perm(userCount)[:size] {
			members = append(members, w.users[n].user)
		}
		id, err := w.create(ctx, w.users[i], rest.CreateConversation{Type: "group", Name: fmt.Sprintf("group %d", i), Members: members})
		if err != nil {
			return err
		}
		w.groups = append(w.groups, id)
	}
	return nil
}

func (w *world) create(ctx context.Context, l *login, in rest.CreateConversation) (string, error) {
	var c frame.Conversation
	if err := w.api.do(ctx, l, http.MethodPost, "/api/v1/conversations", in, &c); err != nil {
		return "", fmt.Errorf("create a conversation: %w", err)
	}
	return c.ConversationID, nil
}

// change alters names and members under the load. Each is tried once, and what became of it is seen in the log.
func (w *world) change(ctx context.Context, rng *rand.Rand) {
	created := 0
	for n := 0; sleep(ctx, time.Duration(100+rng.IntN(400))*time.Millisecond); n++ {
		i := rng.IntN(4) // The smallest groups.
		owner, path := w.users[i], "/api/v1/conversations/"+w.groups[i]
		other := w.users[rng.IntN(userCount)]
		if !w.loading() || other == owner {
			continue
		}
		var err error
		switch rng.IntN(14) {
		case 0, 1:
			name := fmt.Sprintf("name %d", n)
			err = w.api.do(ctx, owner, http.MethodPatch, path, rest.EditConversation{Name: &name}, nil)
		case 2, 3:
			err = w.api.do(ctx, owner, http.MethodDelete, path+"/members/"+other.user, nil, nil)
		case 4:
			if created < 8 {
				created++
				_, err = w.create(ctx, other, rest.CreateConversation{Type: "group", Name: "later", Members: []string{owner.user, w.users[rng.IntN(userCount)].user}})
			}
		case 5, 6, 7, 8:
			err = w.govern(ctx, rng, owner, other, path)
		default:
			err = w.api.do(ctx, owner, http.MethodPost, path+"/members", rest.AddMembers{UserIDs: []string{other.user}}, nil)
		}
		if err == nil {
			w.count(&w.stats.changes)
		}
	}
}

// disturb drops connections of single devices; now and then a device forgets what it had not stored.
func (w *world) disturb(ctx context.Context, rng *rand.Rand) {
	for sleep(ctx, time.Duration(100+rng.IntN(300))*time.Millisecond) {
		if !w.loading() {
			continue
		}
		d := w.devices[rng.IntN(len(w.devices))]
		w.count(&w.stats.drops)
		d.lose()
		if rng.IntN(3) == 0 {
			d.forget()
		}
	}
}
