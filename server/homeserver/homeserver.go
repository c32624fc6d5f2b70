// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"parley.chat/clientapi/op"
	"parley.chat/clientapi/session"
	"parley.chat/core/account"
	"parley.chat/core/channel"
	"parley.chat/core/consent"
	"parley.chat/core/conversation"
	"parley.chat/core/ephemeral"
	"parley.chat/core/fanout"
	"parley.chat/core/feed"
	"parley.chat/core/search"
	"parley.chat/core/timeline"
	"parley.chat/federation/peer"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/server/config"
	"parley.chat/server/keyring"
	"parley.chat/server/privatepg"
	"parley.chat/store"
)

// Version is the release, set by the linker.
var Version = "dev"

// drainTime is how long requests under way may take once the node stops.
const drainTime = 10 * time.Second

// Options change what a configuration cannot. Tests use them.
type Options struct {
	Clock      func() time.Time
	Fail       func(point string) // crash tests: see timeline.Options and those of federation
	Limits     account.Limits
	HashCost   account.Cost
	AccessLife time.Duration
	Bus        func(fanout.Node) fanout.Bus // nil: one node, no links
	Placement  fanout.Placement
	// Owner is another node, in this process, that owns every shard: this one has sessions and no timeline of its own.
	Owner *Homeserver
	// Resolver finds other servers, and FederationPort is where they are without further word, 443 if 0.
	Resolver       peer.Resolver
	FederationPort uint16
}

// Homeserver is an assembled node. Make it with New.
type Homeserver struct {
	cfg         config.Config
	opt         Options
	log         *slog.Logger
	identity    *identity
	ring        *keyring.Ring
	peers       *peers
	certs       *tls.Config // nil: plain HTTP
	cluster     *privatepg.Cluster
	store       *store.Store
	fanout      *fanout.Fanout
	timeline    *timeline.Timeline
	presence    *ephemeral.Presence
	abroad      *abroad
	replication *replication
	asked       *consent.Asked // nil: this server does not federate
	feed        *feed.Feed
	channels    *channel.Channels
	accounts    *account.Accounts
	people      *account.People
	talks       *op.Conversations
	door        *session.Door
	eraser      *op.Eraser
	polls       *polls
	metrics     *prometheus.Registry
	listener    net.Listener
	http        *http.Server
	others      *others      // of federation.listen, nil if there is none
	monitor     net.Listener // of metrics.listen, nil if there is none
}

// New makes the parts: the database answers and is migrated, the listener is open. Call Run, or Close if it is not to run.
func New(ctx context.Context, cfg config.Config, log *slog.Logger, opt Options) (*Homeserver, error) {
	h := &Homeserver{cfg: cfg, opt: opt, log: log, metrics: prometheus.NewRegistry()}
	if err := h.open(ctx); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Homeserver) open(ctx context.Context) (err error) {
	if h.identity, err = openIdentity(h.cfg.DataDir, h.cfg.Node.ID, id.Server(h.cfg.ServerName)); err != nil {
		return err
	}
	if h.listener, err = net.Listen("tcp", h.cfg.Listen); err != nil {
		return fmt.Errorf("%w; another address is set by listen in the configuration or PARLEY_LISTEN", err)
	}
	if h.certs, err = certificates(h.cfg.TLS); err != nil {
		return err
	}
	if err = h.listenForOthers(); err != nil {
		return err
	}
	if h.cfg.Metrics.Listen != "" {
		if h.monitor, err = net.Listen("tcp", h.cfg.Metrics.Listen); err != nil {
			return fmt.Errorf("listen for metrics: %w", err)
		}
	}
	if h.store, h.cluster, err = openDatabase(ctx, h.cfg, store.Identity{Server: id.Server(h.cfg.ServerName), PublicKey: h.identity.public()}, h.log); err != nil {
		return err
	}
	if err := h.openKeys(ctx); err != nil {
		return err
	}
	if err := h.openPeers(); err != nil {
		return err
	}
	h.openAbroad()
	h.assemble()
	return h.registrationTokens(ctx)
}

// assemble makes the joints between the floors.
func (h *Homeserver) assemble() {
	limits := conversation.Limits{MaxMembers: h.cfg.Groups.MaxMembers}
	node := fanout.Node(h.identity.node)
	fo := fanout.Options{Self: node, Placement: h.opt.Placement, Log: h.part("fanout")}
	if h.opt.Bus != nil {
		fo.Bus = h.opt.Bus(node)
	}
	h.fanout = fanout.New(fo)
	out := &discreet{Fanout: h.fanout}
	if h.opt.Owner != nil {
		h.timeline, h.channels, h.presence = h.opt.Owner.timeline, h.opt.Owner.channels, h.opt.Owner.presence
	} else {
		h.channels = channel.New(channel.Options{Store: h.store, Owner: owner{h}, Shards: h.cfg.Database.Shards, Log: h.part("channel"), Clock: h.opt.Clock})
		h.presence = ephemeral.New(ephemeral.Options{Out: h.fanout, Store: h.store, Rules: sights{h}, Elsewhere: h.elsewhere(), Log: h.part("presence")})
		h.timeline = timeline.New(timeline.Options{
			Store: h.store, Out: committed{out, h.channels, h}, Node: h.identity.node, Self: id.Server(h.cfg.ServerName), Limits: limits, Meter: h.posts(), Log: h.part("timeline"),
			Clock: h.opt.Clock, Fail: h.opt.Fail,
		})
	}
	h.feed = feed.New(feed.Options{
		Log: h.store, Owner: h.timeline, Shards: h.cfg.Database.Shards, Realm: h.identity.realm(), Channels: h.channels, Clock: h.opt.Clock,
	})
	h.accounts = account.New(account.Config{
		Server: id.Server(h.cfg.ServerName), Shards: h.cfg.Database.Shards, Mode: account.Mode(h.cfg.Registration.Mode),
		AccessLife: h.opt.AccessLife, Limits: h.opt.Limits, Now: h.opt.Clock, Log: h.part("account"),
	}, h.store, account.NewArgon2(h.opt.HashCost, 2*runtime.GOMAXPROCS(0), 5*time.Second), revocations{h.fanout})
	if h.opt.Owner != nil {
		h.people = h.opt.Owner.people
	} else {
		h.people = account.NewPeople(h.store, h.feed, reconsider{told{h.fanout, h.part("account")}, h.presence, h.abroad}, h.opt.Clock)
	}
	h.feed.People, out.people = h.people, h.people
	h.asked = consent.NewAsked(h.now)
	h.replication = h.openReplication()
	h.assembleHTTP(limits)
}

// indexer keeps what is searched by words behind the log.
func (h *Homeserver) indexer() *search.Indexer {
	return &search.Indexer{Store: h.store, Owner: h.timeline, Shards: h.cfg.Database.Shards, Log: h.part("search")}
}

func (h *Homeserver) part(name string) *slog.Logger { return h.log.With(slog.String("part", name)) }

// revocations closes the live sessions of a device that ended.
type revocations struct{ out *fanout.Fanout }

func (r revocations) Revoked(u id.User, d id.Device) {
	code := fault.DeviceRemoved
	if d == "" { // All devices end only with the account.
		code = fault.AccountDeactivated
	}
	r.out.Revoke(u, d, code)
}

func (r revocations) Suspended(u id.User) { r.out.Revoke(u, "", fault.AccountSuspended) }

// Address is where HTTP is served.
func (h *Homeserver) Address() string { return h.listener.Addr().String() }

// Cluster is the private PostgreSQL, nil with a configured database. It is for crash tests.
func (h *Homeserver) Cluster() *privatepg.Cluster { return h.cluster }

// Store is the store, for tests that read the log back.
func (h *Homeserver) Store() *store.Store { return h.store }

// Run serves until ctx is done or a part fails, then stops in order and returns the first failure.
func (h *Homeserver) Run(ctx context.Context) error {
	defer h.Close()
	// Each floor stops after those above it: doors, core, database.
	database, stopDatabase := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDatabase()
	core, stopCore := context.WithCancel(database)
	defer stopCore()
	lower, lowerCtx := errgroup.WithContext(database)
	if h.cluster != nil {
		lower.Go(func() error { return h.cluster.Run(lowerCtx) })
	}
	middle, middleCtx := errgroup.WithContext(core)
	if h.opt.Owner == nil {
		middle.Go(func() error { return h.timeline.Run(middleCtx) })
		middle.Go(func() error { return h.indexer().Run(middleCtx) })
		middle.Go(func() error { return h.eraser.Run(middleCtx) })
		middle.Go(func() error { return h.channels.Run(middleCtx) })
		middle.Go(func() error { return h.presence.Run(middleCtx) })
		middle.Go(func() error { return h.abroad.run(middleCtx) })
		middle.Go(func() error { return h.replication.run(middleCtx) })
	}
	middle.Go(func() error { return h.fanout.Run(middleCtx) })
	middle.Go(func() error { return h.accounts.Run(middleCtx) })
	middle.Go(func() error { return h.watchAccounts(middleCtx) })
	middle.Go(func() error { return h.sweepReports(middleCtx) })
	middle.Go(func() error { return h.ring.Run(middleCtx) })
	middle.Go(func() error { return h.sweepNonces(middleCtx) })
	doors := h.serve()

	var err error
	select {
	case <-ctx.Done():
	case err = <-doors:
	case <-middleCtx.Done():
	case <-lowerCtx.Done():
	}
	h.log.Info("stopping")
	h.stopDoors()
	stopCore()
	err = errors.Join(err, middle.Wait())
	release, cancel := context.WithTimeout(database, time.Second)
	defer cancel()
	if e := h.store.Release(release, h.identity.node); e != nil {
		h.log.Warn("leases not released; they expire by themselves", slog.Any("error", e))
	}
	h.store.Close()
	stopDatabase()
	err = errors.Join(err, lower.Wait())
	h.log.Info("stopped")
	return err
}

// Close lets go what New took. After Run it does nothing more.
func (h *Homeserver) Close() {
	if h.listener != nil {
		_ = h.listener.Close()
	}
	if h.others != nil {
		_ = h.others.Close()
	}
	if h.monitor != nil {
		_ = h.monitor.Close()
	}
	if h.peers != nil {
		h.peers.client.Close()
	}
	if h.store != nil {
		h.store.Close()
	}
	if h.cluster != nil {
		_ = h.cluster.Close()
	}
	if h.identity != nil {
		_ = h.identity.lock.Close()
	}
}
