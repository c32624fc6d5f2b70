// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"parley.chat/core/account"
	"parley.chat/core/ephemeral"
	"parley.chat/core/feed"
	"parley.chat/protocol/id"
)

// measurePresence tells what presence holds and what it told.
func (h *Homeserver) measurePresence() {
	p := &presenceMetrics{presence: h.presence}
	p.online = prometheus.NewDesc("parley_presence_online_users", "Users who are online.", nil, nil)
	p.watched = prometheus.NewDesc("parley_presence_watched_users", "Users whose presence somebody watches.", nil, nil)
	p.watches = prometheus.NewDesc("parley_presence_subscriptions", "Subscriptions of connections to presence.", nil, nil)
	p.frames = prometheus.NewDesc("parley_presence_frames_total", "Frames made about presence, one for each connection, and about typing, one for all.", []string{"type"}, nil)
	p.lost = prometheus.NewDesc("parley_presence_last_seen_lost_total", "Last-seen times for which there was no room until they were written.", nil, nil)
	h.metrics.MustRegister(p)
}

type presenceMetrics struct {
	presence                               *ephemeral.Presence
	online, watched, watches, frames, lost *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (p *presenceMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.online, p.watched, p.watches, p.frames, p.lost} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (p *presenceMetrics) Collect(out chan<- prometheus.Metric) {
	s := p.presence.Stats()
	gauge := func(d *prometheus.Desc, v int) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(p.online, s.Online)
	gauge(p.watched, s.Watched)
	gauge(p.watches, s.Watches)
	count(p.frames, s.PresenceFrames, "presence")
	count(p.frames, s.TypingFrames, "typing")
	count(p.lost, s.LastSeenLost)
}

// sights tells who may see whom, by the users' settings and blocks. spec: PRES-PRIVACY-3
type sights struct{ h *Homeserver }

// Sights implements ephemeral.Rules.
func (s sights) Sights(ctx context.Context, viewer id.User, of []id.User) ([]ephemeral.Sight, error) {
	people, err := s.h.people.Persons(ctx, append([]id.User{viewer}, of...))
	if err != nil {
		return nil, err
	}
	out := make([]ephemeral.Sight, len(of))
	for i, u := range of {
		if u == viewer {
			out[i] = ephemeral.Sight{Online: true, LastSeen: true}
			continue
		}
		if out[i], err = s.sight(ctx, viewer, u, people); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sight asks for the contact at most once, and only if something depends on it. spec: PRES-PRIVACY-4 PRES-PRIVACY-6
func (s sights) sight(ctx context.Context, viewer, u id.User, people map[id.User]*account.Person) (out ephemeral.Sight, err error) {
	me, other := people[viewer], people[u]
	if !s.h.isHere(u) { // Their server judges the rest. spec: FED-PRESENCE-4
		if has(me.Blocked, u) {
			return out, nil
		}
		return ephemeral.Sight{Online: me.Settings.Online != account.Nobody, LastSeen: me.Settings.LastSeen != account.Nobody}, nil
	}
	if has(me.Blocked, u) || has(other.Blocked, viewer) {
		return out, nil
	}
	var contact, asked bool
	may := func(mine, theirs account.Audience) bool {
		if mine == account.Nobody || theirs == account.Nobody || err != nil {
			return false
		}
		if theirs == account.Everyone {
			return true
		}
		if !asked {
			asked = true
			contact, err = s.h.feed.Contact(ctx, u, viewer)
		}
		return contact
	}
	out.Online = may(me.Settings.Online, other.Settings.Online)
	out.LastSeen = may(me.Settings.LastSeen, other.Settings.LastSeen)
	return out, err
}

func has(set map[id.User]struct{}, u id.User) bool {
	_, ok := set[u]
	return ok
}

// Hears implements ephemeral.Rules: only between the two of a direct conversation there is something to forbid.
// spec: TYPING-PRIVACY-1
func (s sights) Hears(ctx context.Context, sender id.User, c id.Conversation, members []id.User) ([]id.User, error) {
	if len(members) != 1 {
		return members, nil
	}
	peer := members[0]
	if direct, err := feed.Direct(sender, peer); err != nil || direct != c {
		return members, err
	}
	people, err := s.h.people.Persons(ctx, []id.User{sender, peer})
	if err != nil || has(people[sender].Blocked, peer) || has(people[peer].Blocked, sender) {
		return nil, err
	}
	pointers, err := s.h.timeline.Pointers(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, p := range pointers {
		if p.Prefs != nil && p.Prefs.Consent != "" {
			return nil, nil
		}
	}
	return members, nil
}

// reconsider lets presence feel what changed of settings and blocks.
type reconsider struct {
	told
	presence *ephemeral.Presence
	abroad   *abroad
}

// Changed implements account.Told.
func (r reconsider) Changed(u id.User, it account.Item) {
	r.told.Changed(u, it)
	if it.Kind == account.KindSettings || it.Kind == account.KindBlock {
		r.abroad.forget(u)
		r.presence.Reconsider(u)
	}
}
