// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"sync"
	"time"

	"parley.chat/protocol/id"
)

// Person is what others' requests need to know of a user. It is immutable.
type Person struct {
	Settings Settings
	Blocked  map[id.User]struct{}
	Hidden   int   // messages deleted for this user alone
	Version  int64 // of the account data
}

// Told is told of committed changes of account data. Changed is called on the request's goroutine and does not block for long.
type Told interface {
	Changed(u id.User, it Item)
}

// Contacts tells whether two users know each other: they share a group, or the first wants the direct
// conversation with the second.
type Contacts interface {
	Contact(ctx context.Context, of, other id.User) (bool, error)
}

// People is the oracle: what users want of each other. It remembers a bounded number of users, exactly as far as changes
// were made on this node, and for a minute otherwise. It is safe for concurrent use.
type People struct {
	store    DataStore
	contacts Contacts
	told     Told
	now      func() time.Time

	mu      sync.Mutex
	known   map[id.User]knownPerson
	changes uint64 // counts forgettings: what was read across one is not remembered
}

type knownPerson struct {
	*Person
	until time.Time
}

// personLife bounds how long a change made on another node can go unnoticed.
const personLife = time.Minute

// NewPeople makes the oracle.
func NewPeople(store DataStore, contacts Contacts, told Told, now func() time.Time) *People {
	if now == nil {
		now = time.Now
	}
	return &People{store: store, contacts: contacts, told: told, now: now, known: map[id.User]knownPerson{}}
}

// Person tells about one user. Who has no account here is as one who never changed anything.
func (p *People) Person(ctx context.Context, u id.User) (*Person, error) {
	all, err := p.Persons(ctx, []id.User{u})
	if err != nil {
		return nil, err
	}
	return all[u], nil
}

// Persons tells about several users, reading those that are not remembered at once.
func (p *People) Persons(ctx context.Context, users []id.User) (map[id.User]*Person, error) {
	out := make(map[id.User]*Person, len(users))
	var missing []id.User
	p.mu.Lock()
	changes, now := p.changes, p.now()
	for _, u := range users {
		if k, ok := p.known[u]; ok && now.Before(k.until) {
			out[u] = k.Person
		} else {
			missing = append(missing, u)
		}
	}
	p.mu.Unlock()
	if len(missing) == 0 {
		return out, nil
	}
	found, err := p.store.FindPersons(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, u := range missing {
		if found[u] == nil {
			found[u] = &Person{Settings: Defaults()}
		}
		out[u] = found[u]
	}
	p.remember(found, changes)
	return out, nil
}

func (p *People) remember(found map[id.User]*Person, changes uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changes != changes {
		return // It may have been read before a change.
	}
	for u, one := range found {
		if len(p.known) >= cacheSize {
			for victim := range p.known { // Any one: each is worth one read.
				delete(p.known, victim)
				break
			}
		}
		p.known[u] = knownPerson{one, p.now().Add(personLife)}
	}
}

// Same tells whether what one is remembered to be is still that. It costs no I/O.
func (p *People) Same(u id.User, one *Person) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[u].Person == one
}

func (p *People) forget(u id.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes++
	delete(p.known, u)
}
