// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"parley.chat/protocol/id"
	"parley.chat/server/config"
	"parley.chat/server/privatepg"
	"parley.chat/store"
)

// startTimeout is how long the configured databases may take to answer at the start.
const startTimeout = 60 * time.Second

// openDatabase starts the private PostgreSQL if the configuration names no other, opens the store and migrates it. cluster is
// nil with a configured database.
func openDatabase(ctx context.Context, cfg config.Config, who store.Identity, log *slog.Logger) (st *store.Store, cluster *privatepg.Cluster, err error) {
	list := databases(cfg)
	if len(list) == 0 {
		cluster, err = privatepg.Open(ctx, privatepg.Options{Dir: filepath.Join(cfg.DataDir, "postgres"), Log: log})
		if err != nil {
			return nil, nil, err
		}
		list = []store.Database{{DSN: cluster.DSN(), Shards: shardRange(0, cfg.Database.Shards-1)}}
	}
	st, err = store.Open(ctx, cfg.Database.Shards, list)
	if err == nil {
		if err = waitAnswer(ctx, st, log); err == nil {
			err = st.Migrate(ctx)
		}
		if err == nil {
			err = st.Claim(ctx, who)
		}
	}
	if err != nil {
		if st != nil {
			st.Close()
		}
		if cluster != nil {
			_ = cluster.Close()
		}
		return nil, nil, err
	}
	return st, cluster, nil
}

func databases(cfg config.Config) []store.Database {
	var out []store.Database
	for _, d := range cfg.Database.List {
		out = append(out, store.Database{DSN: string(d.DSN), Shards: shardRange(d.Shards.First, d.Shards.Last)})
	}
	return out
}

func shardRange(first, last int) []id.Shard {
	var out []id.Shard
	for n := first; n <= last; n++ {
		out = append(out, id.Shard(n))
	}
	return out
}

// waitAnswer gives databases that start together with this server the time to come up.
func waitAnswer(ctx context.Context, st *store.Store, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := st.Ping(ctx)
		if err == nil {
			return nil
		}
		log.Warn("waiting for the database", slog.Any("error", err))
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return fmt.Errorf("the database does not answer: %w", err)
		}
	}
}
