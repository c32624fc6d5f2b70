// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"log/slog"
	"time"

	"parley.chat/clientapi/op"
	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// standTime bounds the question how an account stands.
const standTime = 5 * time.Second

// watchAccounts ends sessions of accounts that another node or an operator's command suspended, and of devices it ended.
func (h *Homeserver) watchAccounts(ctx context.Context) error {
	h.store.WatchAccounts(ctx, h.part("account"), func(u id.User) {
		h.accounts.Forget(u, "")
		for _, d := range h.fanout.Devices(u) {
			ctx, cancel := context.WithTimeout(ctx, standTime)
			err := h.accounts.Stand(ctx, account.Caller{User: u, Device: d})
			cancel()
			switch code := fault.From(err).Code; {
			case err == nil:
			case code == fault.Internal:
				h.log.Warn("cannot tell whether sessions may stay", slog.String("user", string(u)), slog.Any("error", err))
			default:
				h.fanout.Revoke(u, d, code)
			}
		}
	})
	return nil
}

// still tells whether a caller may act.
func (h *Homeserver) still(ctx context.Context, c op.Caller) error {
	return h.accounts.Stand(ctx, account.Caller{User: c.User, Device: c.Device})
}
