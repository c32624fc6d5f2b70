// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"time"

	"parley.chat/clientapi/op"
	"parley.chat/protocol/id"
)

func (h *Homeserver) moderation(conversations *op.Conversations) *op.Moderation {
	return &op.Moderation{
		Conversations: conversations, Accounts: h.accounts, Store: h.store, Keys: h.keys, PerDay: h.cfg.Limits.ReportsPerDay,
		Keep: time.Duration(h.cfg.Moderation.ReportDays) * 24 * time.Hour, Now: h.now, Log: h.part("moderation"),
	}
}

// keys are those that proofs are checked with.
func (h *Homeserver) keys(server id.Server, keyID string) ed25519.PublicKey {
	if server != h.identity.name {
		return nil
	}
	if k, ok := h.ring.Own(keyID); ok && !k.IsRevoked {
		return k.Public
	}
	return nil
}

// sweepReportsEvery is how often reports past their life are erased.
const sweepReportsEvery = time.Hour

func (h *Homeserver) sweepReports(ctx context.Context) error {
	tick := time.NewTicker(sweepReportsEvery)
	defer tick.Stop()
	for {
		if err := h.store.SweepReports(ctx, h.now().UnixMilli()); err != nil && ctx.Err() == nil {
			h.log.Warn("expired reports not erased", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
