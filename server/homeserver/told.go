// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"parley.chat/core/account"
	"parley.chat/core/fanout"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// tellTime bounds the wait for room in the dispatcher's queue.
const tellTime = time.Second

// told sends changes of account data to the user's live sessions.
type told struct {
	out *fanout.Fanout
	log *slog.Logger
}

// Changed implements account.Told.
func (t told) Changed(u id.User, it account.Item) {
	data, err := json.Marshal(frame.AccountData{Type: it.Kind, Key: it.Key, Value: it.Value})
	if err != nil {
		t.log.Error("account data not told", slog.String("user", string(u)), slog.Any("error", err))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tellTime)
	defer cancel()
	f := fanout.NewFrame(frame.AccountDataFrame, frame.AppendFrame(nil, frame.AccountDataFrame, data))
	if err := t.out.Changed(ctx, fanout.Passing{Frame: f, To: []id.User{u}, Version: it.Version}); err != nil {
		t.log.Warn("account data not told; sessions catch up", slog.Any("error", err))
	}
}
