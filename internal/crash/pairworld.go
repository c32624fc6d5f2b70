// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// Sizes of each side of a pair.
const (
	pairUsers   = 8 // all of whom have a device that is connected
	pairSockets = 5
	pairPolls   = 2
	pairDirects = 4 // between users of both sides
	pairGroups  = 3 // that each side is the hub of
	laterGroups = 4 // made under the load
)

// shared is what users of both sides have together.
type shared struct {
	groups []group

	mu      sync.Mutex
	edits   map[string][]string // by message: texts of edits that were acknowledged or accepted
	deleted map[string]bool     // likewise
}

// group is a group of users of both sides.
type group struct {
	id     string
	hub    int
	owner  *login // of the hub's side
	anchor *login // of the other side, and never put out: there is always somebody to hold the replica for
}

// settle makes users and conversations on both sides.
func (r *pairRun) settle(ctx context.Context) error {
	r.shared.edits, r.shared.deleted = map[string][]string{}, map[string]bool{}
	for side, s := range r.sites {
		w := s.world
		for i := range pairUsers {
			l, err := w.enter(ctx, "register", fmt.Sprintf("user%d", i))
			if err != nil {
				return err
			}
			w.users = append(w.users, l)
			by := bySocket
			if i >= pairSockets {
				by = byPoll
			}
			if i >= pairSockets+pairPolls {
				by = byEvents
			}
			w.add(l, by)
		}
		second, err := w.enter(ctx, "login", fmt.Sprintf("user%d", side))
		if err != nil {
			return err
		}
		w.add(second, bySocket)
	}
	for i := range pairDirects {
		from, to := r.sites[i%2].world, r.sites[1-i%2].world
		if _, err := from.create(ctx, from.users[i], rest.CreateConversation{Type: "direct", Members: []string{to.users[(i+3)%pairUsers].user}}); err != nil {
			return err
		}
	}
	for i := range 2 * pairGroups {
		if err := r.group(ctx, i%2, i/2); err != nil {
			return err
		}
	}
	return nil
}

// group makes the nth group of a side.
func (r *pairRun) group(ctx context.Context, hub, n int) error {
	here, there := r.sites[hub].world, r.sites[1-hub].world
	g := group{hub: hub, owner: here.users[n], anchor: there.users[n+1]}
	members := []string{g.anchor.user}
	for _, i := range r.rng.Perm(pairUsers)[:1+2*n] {
		for _, w := range []*world{here, there} {
			if u := w.users[i].user; u != g.owner.user && !slices.Contains(members, u) {
				members = append(members, u)
			}
		}
	}
	var err error
	g.id, err = here.create(ctx, g.owner, rest.CreateConversation{Type: "group", Name: fmt.Sprintf("group %d of %s", n, names[hub]), Members: members})
	r.shared.groups = append(r.shared.groups, g)
	return err
}

// anybody draws a user of either side, and tells which.
func (r *pairRun) anybody(rng *rand.Rand) (*world, *login) {
	w := r.sites[rng.IntN(2)].world
	return w, w.users[rng.IntN(pairUsers)]
}

// change alters names and members from both sides under the load. Each is tried once, and what became of it is seen in the log.
func (r *pairRun) change(ctx context.Context, rng *rand.Rand) {
	later := 0
	for n := 0; sleep(ctx, time.Duration(40+rng.IntN(160))*time.Millisecond); n++ {
		g := r.shared.groups[rng.IntN(len(r.shared.groups))]
		at, other := r.anybody(rng)
		w, actor := r.sites[g.hub].world, g.owner
		if rng.IntN(3) == 0 {
			w, actor = r.sites[1-g.hub].world, g.anchor
		}
		path := "/api/v1/conversations/" + g.id
		if !w.loading() || other == g.owner || other == g.anchor {
			continue
		}
		var err error
		switch rng.IntN(16) {
		case 0, 1, 2:
			name := fmt.Sprintf("name %d", n)
			err = w.api.do(ctx, actor, http.MethodPatch, path, rest.EditConversation{Name: &name}, nil)
		case 3, 6, 7, 8, 9:
			err = r.sites[g.hub].world.api.do(ctx, g.owner, http.MethodDelete, path+"/members/"+other.user, nil, nil)
		case 4:
			err = at.api.do(ctx, other, http.MethodDelete, path+"/members/"+other.user, nil, nil)
		case 5:
			if later < laterGroups {
				later++
				_, err = w.create(ctx, actor, rest.CreateConversation{Type: "group", Name: "later", Members: []string{other.user, g.anchor.user, g.owner.user}})
			}
		default:
			err = w.api.do(ctx, actor, http.MethodPost, path+"/members", rest.AddMembers{UserIDs: []string{other.user}}, nil)
		}
		if err == nil {
			w.count(&w.stats.changes)
		}
	}
}

// retouch edits, deletes and reacts from both sides under the load, each once. What the server of the author has taken over must be in
// the log at the end, because nobody who does this is ever put out.
func (r *pairRun) retouch(ctx context.Context, rng *rand.Rand) {
	for n := 0; sleep(ctx, time.Duration(50+rng.IntN(150))*time.Millisecond); n++ {
		g := r.shared.groups[rng.IntN(len(r.shared.groups))]
		w, actor := r.sites[g.hub].world, g.owner
		if rng.IntN(2) == 0 {
			w, actor = r.sites[1-g.hub].world, g.anchor
		}
		path := "/api/v1/conversations/" + g.id + "/messages"
		var page rest.Messages
		if !w.loading() || w.api.do(ctx, actor, http.MethodGet, path+"?limit=50", nil, &page) != nil {
			continue
		}
		all := slices.DeleteFunc(page.Messages, func(e frame.Event) bool { return e.Type != frame.TypeMessage })
		own := slices.DeleteFunc(slices.Clone(all), func(e frame.Event) bool { return e.SenderID != actor.user || e.Content == "" })
		if len(all) == 0 || len(own) == 0 {
			continue
		}
		one := path + "/" + all[rng.IntN(len(all))].MessageID
		switch mine, text := own[rng.IntN(len(own))].MessageID, fmt.Sprintf("edit %d", n); rng.IntN(8) {
		case 0:
			if w.api.do(ctx, actor, http.MethodDelete, path+"/"+mine, nil, nil) == nil {
				r.shared.note(w, func(t *shared) { t.deleted[mine] = true })
			}
		case 1, 2, 3:
			if w.api.do(ctx, actor, http.MethodPatch, path+"/"+mine, rest.EditMessage{Content: text}, nil) == nil {
				r.shared.note(w, func(t *shared) { t.edits[mine] = append(t.edits[mine], text) })
			}
		case 4:
			_ = w.api.do(ctx, actor, http.MethodDelete, one+"/reactions/x", nil, nil) // What became of it is seen in the log.
		default:
			_ = w.api.do(ctx, actor, http.MethodPut, one+"/reactions/"+[]string{"x", "y"}[rng.IntN(2)], nil, nil)
		}
	}
}

func (t *shared) note(w *world, f func(*shared)) {
	t.mu.Lock()
	f(t)
	t.mu.Unlock()
	w.count(&w.stats.changes)
}
