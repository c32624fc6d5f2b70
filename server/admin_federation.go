// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"parley.chat/core/follower"
	"parley.chat/server/homeserver"
)

// federationCommand reads what follows `parley admin federation`.
func federationCommand(words []string, out io.Writer) (adminDo, bool) {
	switch {
	case len(words) == 0, len(words) == 1 && words[0] == "list":
		return func(ctx context.Context, a *homeserver.Admin) error { return listFollowers(ctx, a, out) }, true
	case len(words) == 2 && words[0] == "retry":
		return func(ctx context.Context, a *homeserver.Admin) error {
			freed, err := a.RetryServer(ctx, words[1])
			if err == nil {
				fmt.Fprintf(out, "%s is tried within seconds, with %d conversations that were parked.\n", words[1], freed)
			}
			return err
		}, true
	}
	return nil, false
}

// listFollowers shows the servers, and then what each of them refuses.
func listFollowers(ctx context.Context, a *homeserver.Admin, out io.Writer) error {
	var refused []follower.Row
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVER\tCONVERSATIONS\tBEHIND\tPARKED\tSTATE")
	err := a.Followers(ctx, func(s follower.Summary, parked []follower.Row) {
		refused = append(refused, parked...)
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\n", s.Server, s.Conversations, s.Behind, s.Parked, stateOf(s))
	})
	_ = w.Flush()
	if err != nil || len(refused) == 0 {
		return err
	}
	fmt.Fprintln(out)
	fmt.Fprintln(w, "PARKED AT\tSERVER\tCONVERSATION\tFROM SEQ\tREFUSED WITH")
	for _, r := range refused {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", timeOf(r.ParkedAt), r.Server, r.ID, r.Acked+1, r.Parked)
	}
	return w.Flush()
}

// stateOf tells how a server is reached. What it said itself is quoted.
func stateOf(s follower.Summary) string {
	if s.FailingSince == 0 {
		return "reached"
	}
	return fmt.Sprintf("not reached since %s, %d attempts, next %s: %+.200q", timeOf(s.FailingSince), s.Failures, timeOf(s.NextTry), s.LastError)
}

func timeOf(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z") }
