// SPDX-License-Identifier: Apache-2.0

package outbox

import "github.com/prometheus/client_golang/prometheus"

// metrics has no server's name as a label: there may be any number of them.
type metrics struct {
	transactions, entries, bytes, failures, parkings prometheus.Counter
	failing, parked                                  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "parley_outbox_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_outbox_" + name, Help: help})
	}
	m := metrics{
		transactions: counter("transactions_total", "Transactions that other servers answered."),
		entries:      counter("entries_total", "Entries in transactions that other servers answered."),
		bytes:        counter("bytes_total", "Bytes of items in transactions that other servers answered."),
		failures:     counter("failures_total", "Transactions that other servers did not answer."),
		parkings:     counter("parkings_total", "Items that other servers refused for good."),
		failing:      gauge("destinations_failing", "Servers that are not reached now."),
		parked:       gauge("parked", "Conversations of which a server refuses what it is to have, as counted once a minute."),
	}
	if r != nil {
		r.MustRegister(m.transactions, m.entries, m.bytes, m.failures, m.parkings, m.failing, m.parked)
	}
	return m
}
