// SPDX-License-Identifier: Apache-2.0

package door

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// Post is the route of an operation whose body is read strictly as an In.
func Post[In any](path string, do func(ctx context.Context, origin id.Server, in In) (any, error)) Route {
	return Route{Method: http.MethodPost, Pattern: path, Handle: func(ctx context.Context, c *Call) (any, error) {
		var in In
		if err := replica.Decode(c.Body, &in); err != nil {
			return nil, err
		}
		return do(ctx, c.Origin, in)
	}}
}

// Taker takes what stands in logs of other hubs.
type Taker interface {
	Take(ctx context.Context, from id.Server, item replica.Item) (seq int64, err error)
}

// Hearer hears what is of the moment, of the origin's users. What is amiss with it is passed over.
type Hearer interface {
	Receive(ctx context.Context, origin id.Server, c id.Conversation, list []replica.Receipt)
	Deliver(ctx context.Context, origin id.Server, list []frame.Typing)
}

// together is how many conversations of a transaction are worked on at once.
const together = 8

// Transactions is the route by which a server tells what is new. Every item gets its own answer.
func Transactions(t Taker, h Hearer) Route {
	return Post(replica.TransactionsPath, func(ctx context.Context, origin id.Server, in replica.Transaction) (any, error) {
		out := replica.Taken{Results: make([]replica.Result, len(in.Items))}
		var work errgroup.Group
		work.SetLimit(together)
		for _, places := range byConversation(in.Items) {
			work.Go(func() error {
				for _, i := range places { // In their order.
					out.Results[i] = take(ctx, t, h, origin, in.Items[i])
				}
				return nil
			})
		}
		_ = work.Wait() // Errors are in the results.
		h.Deliver(ctx, origin, in.Typing)
		return out, nil
	})
}

// byConversation groups the places of items.
func byConversation(items []replica.Item) [][]int {
	var out [][]int
	at := map[id.Conversation]int{}
	for i, item := range items {
		n, ok := at[item.ConversationID]
		if !ok {
			n = len(out)
			at[item.ConversationID], out = n, append(out, nil)
		}
		out[n] = append(out[n], i)
	}
	return slices.Clip(out)
}

// codeOf is what the origin is told. What is no fault is our trouble, not that of the item: it comes again.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return string(f.Code)
	}
	return string(fault.Unavailable)
}

func take(ctx context.Context, t Taker, h Hearer, origin id.Server, item replica.Item) replica.Result {
	out := replica.Result{ConversationID: item.ConversationID, Seq: -1}
	var err error
	if item.Wrong != nil || item.Snapshot != nil || item.Range != nil || item.Head != nil {
		out.Seq, err = t.Take(ctx, origin, item)
	}
	out.Code = codeOf(err)
	if item.Wrong == nil && len(item.Receipts) > 0 {
		h.Receive(ctx, origin, item.ConversationID, item.Receipts)
	}
	return out
}
