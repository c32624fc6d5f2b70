// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"parley.chat/protocol/id"
	"parley.chat/server/config"
	"parley.chat/server/keyring"
	"parley.chat/server/privatepg"
	"parley.chat/store"
)

// OpenKeys opens the keys for a tool, beside a running server or without one; done lets everything go. With the private
// PostgreSQL it looks into the running one, or runs it meanwhile.
func OpenKeys(ctx context.Context, cfg config.Config, log *slog.Logger) (ring *keyring.Ring, done func(), err error) {
	t, done, err := openTool(ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	return t.ring, done, nil
}

// tool is what a command works with that signs, or reads what is signed.
type tool struct {
	name  id.Server
	store *store.Store
	ring  *keyring.Ring
}

// openTool opens it as OpenKeys does.
func openTool(ctx context.Context, cfg config.Config, log *slog.Logger) (*tool, func(), error) {
	if err := wantServer(cfg); err != nil {
		return nil, nil, err
	}
	i, err := openIdentity(cfg.DataDir, cfg.Node.ID, id.Server(cfg.ServerName))
	if errors.Is(err, errRunning) {
		return openBeside(ctx, cfg, log)
	}
	if err != nil {
		return nil, nil, err
	}
	who := store.Identity{Server: i.name, PublicKey: i.public()}
	st, cluster, err := openDatabase(ctx, cfg, who, log)
	if err != nil {
		_ = i.lock.Close()
		return nil, nil, err
	}
	done := func() {
		st.Close()
		if cluster != nil {
			_ = cluster.Close()
		}
		_ = i.lock.Close()
	}
	ring, err := openRing(ctx, cfg, i, st, log)
	if err != nil {
		done()
		return nil, nil, err
	}
	return &tool{i.name, st, ring}, done, nil
}

// wantServer refuses a configuration of which no server has run: a tool would make an empty one, and tell of that.
func wantServer(cfg config.Config) error {
	_, err := os.Stat(filepath.Join(cfg.DataDir, keyFile))
	if !errors.Is(err, fs.ErrNotExist) || len(databases(cfg)) > 0 {
		return nil
	}
	return fmt.Errorf("there is no homeserver in %s: name its configuration with -config FILE, or start it once with parley serve", cfg.DataDir)
}

// openBeside opens it beside a server that runs.
func openBeside(ctx context.Context, cfg config.Config, log *slog.Logger) (*tool, func(), error) {
	list := databases(cfg)
	if len(list) == 0 {
		dsn, err := privatepg.Running(filepath.Join(cfg.DataDir, "postgres"))
		if err != nil {
			return nil, nil, err
		}
		list = []store.Database{{DSN: dsn, Shards: shardRange(0, cfg.Database.Shards-1)}}
	}
	st, err := store.Open(ctx, cfg.Database.Shards, list)
	if err != nil {
		return nil, nil, err
	}
	i := &identity{node: "tool", name: id.Server(cfg.ServerName)}
	if err = i.read(cfg.DataDir); err == nil {
		err = st.Claim(ctx, store.Identity{Server: i.name, PublicKey: i.public()})
	}
	var ring *keyring.Ring
	if err == nil {
		ring, err = openRing(ctx, cfg, i, st, log)
	}
	if err != nil {
		st.Close()
		return nil, nil, fmt.Errorf("beside the running server: %w", err)
	}
	return &tool{i.name, st, ring}, st.Close, nil
}

func openRing(ctx context.Context, cfg config.Config, i *identity, st *store.Store, log *slog.Logger) (*keyring.Ring, error) {
	return keyring.Open(ctx, keyring.Options{Dir: cfg.DataDir, Server: i.name, First: i.key, Store: st, Log: log})
}
