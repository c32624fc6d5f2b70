// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"parley.chat/clientapi/rest"
	"parley.chat/federation/auth"
	"parley.chat/federation/door"
	"parley.chat/federation/peer"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/server/config"
	"parley.chat/server/keyring"
	"parley.chat/store"
)

// peers is what reaches other servers, made whether federation is on or not; off, nothing asks it.
type peers struct {
	auth   *auth.Cavage
	client *peer.Client
	keys   *peer.Keyring
}

// failuresPerMinute is how many requests of one address may fail to verify in a minute before it is kept waiting.
const failuresPerMinute = 120

func (h *Homeserver) openKeys(ctx context.Context) (err error) {
	h.ring, err = keyring.Open(ctx, keyring.Options{
		Dir: h.cfg.DataDir, Server: h.identity.name, First: h.identity.key, Store: h.store, Now: h.now, Log: h.part("keys"),
	})
	return err
}

// openPeers makes the client of other servers and the verifier of their requests.
func (h *Homeserver) openPeers() error {
	o, err := PeerOptions(h.cfg)
	if err != nil {
		return err
	}
	if h.opt.Resolver != nil {
		allow, _ := h.cfg.Federation.Networks() // They were checked when they were loaded.
		places, _ := h.cfg.Federation.Places()
		o.Dialer = peer.NewDialer(h.opt.Resolver, allow).At(places)
	}
	if fixed := h.cfg.Federation.Hosts; fixed != "" {
		h.log.Warn("federation.hosts says where other servers are, DNS is not asked: this is for test deployments only", slog.String("hosts", fixed))
	}
	o.DefaultPort, o.Now = h.opt.FederationPort, h.now
	p := &peers{}
	p.auth = auth.New(auth.Options{
		Self: h.identity.name, Signer: h.ring, Keys: later{p}, Replays: h.store, Admit: o.Admit,
	})
	o.Auth = p.auth
	p.client = peer.NewClient(o)
	p.keys = peer.NewKeyring(peer.KeyOptions{
		Client: p.client, Self: h.identity.name, Own: h.ring.Own, UnknownPerMinute: h.cfg.Federation.UnknownPerMinute, Now: h.now,
		Store: h.store,
	})
	h.peers = p
	return nil
}

// later breaks the circle: requests are verified with keys, and keys are fetched by the client that signs requests.
type later struct{ *peers }

func (l later) RequestKey(ctx context.Context, s id.Server, keyID string) (ed25519.PublicKey, error) {
	return l.keys.RequestKey(ctx, s, keyID)
}

// PeerOptions are those of a client of other servers as the configuration has them, without a scheme to sign by.
func PeerOptions(cfg config.Config) (peer.Options, error) {
	allow, err := cfg.Federation.Networks()
	if err != nil {
		return peer.Options{}, err
	}
	places, err := cfg.Federation.Places()
	if err != nil {
		return peer.Options{}, err
	}
	roots, err := peer.Roots(cfg.Federation.CAFile)
	if err != nil {
		return peer.Options{}, err
	}
	lists := door.Lists{Allow: config.Names(cfg.Federation.Allow), Deny: config.Names(cfg.Federation.Deny)}
	return peer.Options{Dialer: peer.NewDialer(nil, allow).At(places), Roots: roots, Admit: lists.Admit}, nil
}

// federation is the handler of everything below /federation/. Keys are published even if federation is off: they verify
// what this server signed.
func (h *Homeserver) federation(none http.Handler) http.Handler {
	signed := none
	if h.cfg.Federation.Enabled {
		f := h.cfg.Federation
		proxies := h.proxies()
		signed = door.New(door.Config{
			Auth:    h.peers.auth,
			Routes:  slices.Concat([]door.Route{door.Ping(h.identity.name, h.now)}, h.abroadRoutes(), h.replicationRoutes()),
			Rates:   door.Rates{RequestsPerMinute: f.RequestsPerMinute, BytesPerMinute: f.MegabytesPerMin << 20, FailuresPerMinute: failuresPerMinute},
			Log:     h.part("federation"),
			Address: func(r *http.Request) netip.Addr { return rest.ClientAddress(r, proxies) },
			Heard:   h.heard,
			Away:    store.IsAway,
			Metrics: h.metrics,
			Now:     h.now,
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == peer.KeysPath {
			h.publishKeys(w)
			return
		}
		signed.ServeHTTP(w, r)
	})
}

func (h *Homeserver) publishKeys(w http.ResponseWriter) {
	raw, err := h.ring.Document()
	if err != nil {
		h.log.Error("keys not published", slog.Any("error", err))
		door.WriteProblem(w, fault.New(fault.Unavailable, "the keys cannot be published now"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(raw) // Who asked is gone.
}

// sweepEvery is the pause between two sweeps of used nonces.
const sweepEvery = time.Minute

func (h *Homeserver) sweepNonces(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := h.store.SweepNonces(ctx, time.Now()); err != nil && ctx.Err() == nil {
			h.log.Warn("used nonces not swept; tried again in a minute", slog.Any("error", err))
		}
	}
}

// Peers is the client of other servers, for tools and tests.
func (h *Homeserver) Peers() *peer.Client { return h.peers.client }

// RequestAuth signs and verifies requests between servers.
func (h *Homeserver) RequestAuth() auth.RequestAuth { return h.peers.auth }

// PeerKeys has the keys of other servers.
func (h *Homeserver) PeerKeys() *peer.Keyring { return h.peers.keys }

// Keys are this homeserver's own.
func (h *Homeserver) Keys() *keyring.Ring { return h.ring }
