// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"parley.chat/core/fanout"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// The states of frames.
const (
	Online  = "online"
	Offline = "offline"
)

// changed has the watchers told, if there are any; the caller holds the shard's mu.
func (p *Presence) changed(u id.User, e *person) {
	if len(e.watchers) == 0 || e.dirty {
		return
	}
	e.dirty = true
	p.dirtyMu.Lock()
	p.dirty = append(p.dirty, u)
	p.dirtyMu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// tellAll tells the watchers of everybody who changed.
func (p *Presence) tellAll() {
	p.dirtyMu.Lock()
	users := p.dirty
	p.dirty = nil
	p.dirtyMu.Unlock()
	var later []id.User
	for _, u := range users {
		if !p.tell(u) {
			later = append(later, u)
		}
	}
	if len(later) > 0 { // Without a wake: the next tick comes.
		p.dirtyMu.Lock()
		p.dirty = append(p.dirty, later...)
		p.dirtyMu.Unlock()
	}
}

// view is what a watcher may know.
func (e *person) view(s Sight) (out state) {
	if e.online && s.Online {
		return state{online: true}
	}
	if s.LastSeen {
		out.seen = e.seen
	}
	return out
}

// view is what a watcher may know whom another server told this much.
func (s state) view(sight Sight) state {
	return (&person{online: s.online, seen: s.seen}).view(sight)
}

// telling is who is told one state.
type telling struct {
	state state
	to    []*Connection
}

// tell tells the watchers what is new to them; false if some of it has to wait.
func (p *Presence) tell(u id.User) bool {
	batches, done := p.collect(u)
	for _, b := range batches {
		for part := range slices.Chunk(b.to, toldAtOnce) {
			if !p.pass(u, b.state, part) {
				p.again(u, part)
				done = false
			}
		}
	}
	return done
}

// collect finds who has to be told what. A user who comes and goes all the time is told once in tellEvery, to those who
// know something already.
func (p *Presence) collect(u id.User) (out []telling, done bool) {
	now, s := p.now(), p.shard(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.users[u]
	if e == nil {
		return nil, true
	}
	soon, told := now < e.tellAt, false
	done = true
	for c, w := range e.watchers {
		view := e.view(w.sight)
		if w.far != nil {
			view = w.far.view(w.sight)
		}
		switch {
		case w.until <= now:
			delete(e.watchers, c)
			continue
		case w.fresh:
		case view == w.told:
			continue
		case soon && !w.resighted:
			done = false
			continue
		default:
			told = true
		}
		w.fresh, w.resighted, w.told = false, false, view
		i := slices.IndexFunc(out, func(t telling) bool { return t.state == view })
		if i < 0 {
			out = append(out, telling{state: view})
			i = len(out) - 1
		}
		out[i].to = append(out[i].to, c)
	}
	if told {
		e.tellAt = now + tellEvery
	}
	e.dirty = !done
	return out, done
}

// again has connections told once more that could not be reached.
func (p *Presence) again(u id.User, to []*Connection) {
	s := p.shard(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.users[u]
	if e == nil {
		return
	}
	e.dirty = true
	for _, c := range to {
		if w := e.watchers[c]; w != nil {
			w.fresh = true
		}
	}
}

// pass hands one frame to the sessions of the connections.
func (p *Presence) pass(u id.User, st state, to []*Connection) bool {
	f, err := encode(frame.PresenceFrame, frameOf(u, st))
	if err != nil {
		p.opt.Log.Error("cannot encode a frame", slog.String("type", frame.PresenceFrame), slog.Any("error", err))
		return true
	}
	m := fanout.Passing{Frame: f}
	for _, c := range to {
		m.To, m.Only = append(m.To, c.user), append(m.Only, c.id)
	}
	slices.Sort(m.To)
	slices.Sort(m.Only)
	m.To = slices.Compact(m.To)
	if !p.opt.Out.Tell(m) {
		return false
	}
	p.count.presence.Add(uint64(len(to)))
	return true
}

func encode(typ string, data any) (*fanout.Frame, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	return fanout.NewFrame(typ, frame.AppendFrame(nil, typ, raw)), nil
}

func frameOf(u id.User, st state) frame.Presence {
	out := frame.Presence{UserID: string(u), Status: Offline, LastSeen: st.seen}
	if st.online {
		out.Status, out.LastSeen = Online, 0
	}
	return out
}

// Get answers what the viewer may know of the user now. Faults: unknown_user.
func (p *Presence) Get(ctx context.Context, viewer, u id.User) (frame.Presence, error) {
	known, sights, err := p.facts(ctx, viewer, []id.User{u})
	if err != nil {
		return frame.Presence{}, err
	}
	if far := known.far[u]; far != nil {
		return frameOf(u, far.view(sights[0])), nil
	}
	return frameOf(u, p.current(u, known.seen[u], sights[0])), nil
}

// SetDevice notes what a device without a connection says: online for TTL, or offline. spec: PRES-REST-2
func (p *Presence) SetDevice(u id.User, d id.Device, online bool) {
	if online {
		p.beat(u, "device:"+string(d))
		return
	}
	p.leave(u, "device:"+string(d), 0)
}

// coarse cuts to the minute: who was online when, to the second, is nobody's business. spec: PRES-SEEN-1
func coarse(ms int64) int64 { return ms - ms%time.Minute.Milliseconds() }
