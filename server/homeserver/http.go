// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"parley.chat/clientapi/op"
	"parley.chat/clientapi/rest"
	"parley.chat/clientapi/session"
	"parley.chat/core/conversation"
	"parley.chat/core/search"
	"parley.chat/federation/auth"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/rest"
	"parley.chat/store"
	"parley.chat/web"
)

// assembleHTTP makes the doors.
func (h *Homeserver) assembleHTTP(limits conversation.Limits) {
	accounts := op.NewAccounts(h.accounts)
	accounts.Others = h.abroad.asked()
	conversations := &op.Conversations{
		Timeline: h.timeline, Writer: h.timeline, Feed: h.feed, Channels: h.channels, People: h.people,
		Users: everybody{h}, Others: h.abroad.asked(), Hubs: h.hubs(), Asked: h.asked,
		Finder: &search.Finder{Log: h.store, Owner: h.timeline, Shards: h.cfg.Database.Shards},
		Server: id.Server(h.cfg.ServerName), Limits: limits, Signer: h.ring, Log: h.part("op"),
	}
	if r := h.replication; r != nil {
		conversations.Writer, conversations.Joiner, conversations.Heads = r.writer, r.writer, r.replicas
	}
	conversations.Created = h.creations()
	h.talks = conversations
	presence := &op.Presence{Presence: h.presence, Conversations: conversations}
	conversations.Searches = h.searches()
	requests := op.NewRequests(h.cfg.Limits.RequestsPerSecond, h.now)
	live := audience{h.fanout, h.channels}
	conversations.Lookups = h.lookups() // One allowance for all ways to ask who exists.
	accounts.Lookups = conversations.Lookups
	h.door = &session.Door{Conversations: conversations, Presence: presence, Requests: requests, Feed: h.feed, Registry: live, Origins: []string{strings.TrimSuffix(h.cfg.PublicURL, "/")}, Away: store.IsAway, Still: h.still, Log: h.part("session")}
	h.polls = newPolls(live)
	routes := rest.AccountRoutes(accounts)
	routes = append(routes, rest.ConversationRoutes(conversations)...)
	routes = append(routes, rest.PersonalRoutes(conversations)...)
	routes = append(routes, rest.SearchRoutes(conversations)...)
	routes = append(routes, rest.PresenceRoutes(presence)...)
	h.eraser = op.NewEraser(conversations, h.accounts, h.store, h.now, h.part("erase"))
	routes = append(routes, rest.EraseRoutes(h.eraser)...)
	moderation := h.moderation(conversations)
	routes = append(routes, rest.ModerationRoutes(moderation)...)
	routes = append(routes, rest.ExportRoutes(op.NewExport(h.accounts, h.now,
		accounts.Export, conversations.ExportPersonal, moderation.Export, conversations.Export))...)
	routes = append(routes, rest.FeedRoutes(h.feed, h.polls, h.door, accounts, accounts)...)
	api := rest.New(rest.Config{Auth: accounts, Routes: routes, Log: h.part("rest"), Metrics: h.metrics, Away: store.IsAway,
		Requests: requests, AtOnce: h.cfg.Limits.RequestsAtOnce, TrustedProxies: h.proxies(),
	})

	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle("GET /docs", web.Docs())
	mux.Handle("GET /docs/", web.Docs())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET /{$}", http.RedirectHandler("/docs", http.StatusFound)) // Who opens the address in a browser wants to read.
	mux.HandleFunc("GET /.well-known/parley/client", h.discovery)
	mux.HandleFunc("GET /.well-known/parley/server", h.serverKeys)
	h.measure()
	h.measurePresence()
	if h.monitor == nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(h.metrics, promhttp.HandlerOpts{}))
	}
	h.http = h.newServer()
	h.http.Handler, h.http.TLSConfig = split(api, h.federationDoors(api), mux), h.certs
}

// newServer has the bounds of every listener that strangers reach.
func (h *Homeserver) newServer() *http.Server {
	return &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(h.part("http").Handler(), slog.LevelDebug),
	}
}

// split keeps the paths of the APIs from the mux, which would answer an unclean one with a redirect.
func split(api, federation, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/api/"):
			api.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/federation/"):
			hurry(w)
			federation.ServeHTTP(w, r)
		default:
			hurry(w)
			rest.ServeHTTP(w, r)
		}
	})
}

// answerTime bounds an answer that has no bound of its own, from the head of the request to the last byte.
const answerTime = 2 * time.Minute

// hurry bounds the answer in time: who does not read it must not hold it.
func hurry(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime)) // A transport without deadlines has its own limits.
}

func (h *Homeserver) measure() {
	h.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, f func() float64) {
		h.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	gauge("parley_fanout_sessions", "Live sessions on this node.", func() float64 { return float64(h.fanout.Sessions()) })
	gauge("parley_erasures_open", "Accounts that are being erased.", func() float64 { return float64(h.eraser.Open.Load()) })
	gauge("parley_erased_messages", "Messages of erased accounts that this node erased.", func() float64 { return float64(h.eraser.Erased.Load()) })
	gauge("parley_timeline_ready", "1 if this node owns its shards and the database answers.", func() float64 {
		if h.timeline.Ready() {
			return 1
		}
		return 0
	})
}

// ready tells whether a send would be accepted now.
func (h *Homeserver) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if !h.timeline.Ready() || h.store.Ping(ctx) != nil {
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (h *Homeserver) discovery(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	answer(w, http.StatusOK, wire.Discovery{
		ServerName: h.cfg.ServerName,
		Versions:   []string{"1.0"},
		Features:   h.features(),
		Software:   wire.Software{Name: "parley", Version: Version},
		Limits:     h.limits(),
	})
}

// features are those of spec/features.yaml that are in force.
func (h *Homeserver) features() []string {
	out := []string{
		"accounts.password", "conversations.direct", "conversations.group", "messages.edit", "messages.reactions", "messages.delete",
		"messages.ephemeral", "messages.mentions", "personal", "sync.socket", "sync.poll", "sync.sse", "search", "channels", "presence",
	}
	if h.cfg.Federation.Enabled {
		out = append(out, "federation")
	}
	return out
}

func (h *Homeserver) serverKeys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	out := wire.ServerKeys{ServerName: h.cfg.ServerName, Keys: map[string]string{}}
	for _, k := range h.ring.Current() {
		out.Keys[k.ID] = canonical.EncodeBase64(k.Public)
	}
	if h.cfg.Federation.Enabled {
		out.Server, out.RequestAuth = h.cfg.Federation.Address, []string{auth.Scheme}
	}
	answer(w, http.StatusOK, out)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // The client is gone; nothing was promised to it.
}

// serve starts the listeners; the channel gets the first failure.
func (h *Homeserver) serve() <-chan error {
	failed := make(chan error, 3)
	start := func(srv *http.Server, l net.Listener) {
		go func() {
			serve := srv.Serve
			if srv.TLSConfig != nil {
				serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
			}
			if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	start(h.http, h.listener)
	if h.others != nil {
		start(h.others.http, h.others)
	}
	if h.monitor != nil {
		srv := &http.Server{Handler: promhttp.HandlerFor(h.metrics, promhttp.HandlerOpts{}), ReadHeaderTimeout: 10 * time.Second}
		h.http.RegisterOnShutdown(func() { _ = srv.Close() })
		start(srv, h.monitor)
	}
	return failed
}

// stopDoors sends sessions away and waits for requests under way.
func (h *Homeserver) stopDoors() {
	h.door.Close()
	h.polls.close()
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	servers := []*http.Server{h.http}
	if h.others != nil {
		servers = append(servers, h.others.http)
	}
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			h.log.Warn("requests cut off at the end", slog.Any("error", err))
			_ = s.Close()
		}
	}
}
