// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
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
	if it.Kind == account.KindHidden && it.Value != nil {
		t.hidden(u, it.Key)
	}
	if err := t.out.Changed(ctx, fanout.Passing{Frame: f, To: []id.User{u}, Version: it.Version}); err != nil {
		t.log.Warn("account data not told; sessions catch up", slog.Any("error", err))
	}
}

// hidden tells the user's devices that a message was deleted for this user.
func (t told) hidden(u id.User, key string) {
	conv, message, _ := strings.Cut(key, "/")
	data, err := json.Marshal(frame.Deleted{ConversationID: conv, MessageID: message, Timestamp: time.Now().UnixMilli(), Reason: frame.ReasonForMe})
	if err != nil {
		t.log.Error("a deletion is not told", slog.String("user", string(u)), slog.Any("error", err))
		return
	}
	t.out.Tell(fanout.Passing{Frame: fanout.NewFrame(frame.MessageDeleted, frame.AppendFrame(nil, frame.MessageDeleted, data)), To: []id.User{u}})
}
