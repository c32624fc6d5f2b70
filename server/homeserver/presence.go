// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"github.com/prometheus/client_golang/prometheus"

	"parley.chat/core/ephemeral"
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
