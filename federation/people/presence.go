// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.chat/core/ephemeral"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// Times and bounds of presence.
const (
	presenceLife = 10 * time.Second // of an answer, shorter than the time between two questions about those who are watched
	presenceTime = 3 * time.Second  // of a question: a client's frame waits for it
	maxPresence  = 20_000           // answers kept
)

// Presence answers what the servers of users show to the viewers, in the order of the pairs: what was told lately, or now. Users of
// servers that do not answer are offline. spec: FED-PRESENCE-2
func (d *Directory) Presence(ctx context.Context, pairs []ephemeral.Pair) []ephemeral.Far {
	ctx, cancel := context.WithTimeout(ctx, presenceTime)
	defer cancel()
	out := make([]ephemeral.Far, len(pairs))
	missing := map[id.Server][]int{}
	for i, p := range pairs {
		if far, ok := d.presence.get(p); ok {
			out[i] = far
		} else {
			missing[p.User.Server()] = append(missing[p.User.Server()], i)
		}
	}
	eg := errgroup.Group{}
	eg.SetLimit(serversAside)
	var mu sync.Mutex
	for server, list := range missing {
		eg.Go(func() error {
			for _, part := range batches(pairs, list) {
				got, err := d.askPresence(ctx, server, pairs, part)
				if err != nil { // The other parts would fare no better.
					d.Log.Debug("presence not known", slog.String("server", string(server)), slog.Any("error", err))
					return nil
				}
				mu.Lock()
				for i, at := range part {
					out[at] = got[i]
				}
				mu.Unlock()
			}
			return nil
		})
	}
	_ = eg.Wait() // Nothing fails.
	return out
}

// batches cuts a list of pairs, in order of viewer, into questions.
func batches(pairs []ephemeral.Pair, list []int) (out [][]int) {
	by := map[id.User][]int{}
	var viewers []id.User
	for _, i := range list {
		v := pairs[i].Viewer
		if by[v] == nil {
			viewers = append(viewers, v)
		}
		by[v] = append(by[v], i)
	}
	var part []int
	for _, v := range viewers {
		for _, i := range by[v] {
			if part = append(part, i); len(part) == replica.MaxUsers {
				out, part = append(out, part), nil
			}
		}
	}
	if len(part) > 0 {
		out = append(out, part)
	}
	return out
}

// askPresence asks about at most replica.MaxUsers pairs, which are in order of viewer.
func (d *Directory) askPresence(ctx context.Context, to id.Server, pairs []ephemeral.Pair, part []int) ([]ephemeral.Far, error) {
	var in replica.AskPresence
	for _, i := range part {
		p := pairs[i]
		if n := len(in.Asks); n == 0 || in.Asks[n-1].ViewerID != p.Viewer {
			in.Asks = append(in.Asks, replica.Watch{ViewerID: p.Viewer})
		}
		last := &in.Asks[len(in.Asks)-1]
		last.UserIDs = append(last.UserIDs, p.User)
	}
	var answer replica.Presences
	err := d.ask(ctx, question{pairs[part[0]].Viewer, to, replica.PresencePath}, in, &answer)
	gone := fault.Is(err, fault.UnknownUser) // There is no such server.
	if err != nil && !gone {
		return nil, err
	}
	if !gone && len(answer.Presence) != len(part) {
		return nil, errors.New("an answer about others")
	}
	out := make([]ephemeral.Far, len(part))
	for i, at := range part {
		if gone {
			out[i].IsUnknown = true
		} else if out[i], err = far(answer.Presence[i], pairs[at].User); err != nil {
			return nil, err
		}
		d.presence.put(pairs[at], out[i], presenceLife)
	}
	return out, nil
}

func far(p replica.Presence, u id.User) (ephemeral.Far, error) {
	if p.UserID != u {
		return ephemeral.Far{}, errors.New("an answer about others")
	}
	return ephemeral.Far{IsUnknown: p.Code != "", Online: p.Status == ephemeral.Online, LastSeen: p.LastSeen}, nil
}
