// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.chat/core/conversation"
	"parley.chat/core/follower"
	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/store"
)

// followed is a group of alice here and users elsewhere, on a running timeline.
type followed struct {
	*testLog
	node *timelinetest.Node
	ref  follower.Ref

	tempID int
}

func newFollowed(t *testing.T, members ...id.User) *followed {
	t.Helper()
	l := openLog(t)
	f := &followed{testLog: l, node: timelinetest.Start(t, l)}
	members = append(members, "alice@a.test")
	slices.Sort(members)
	create := event.Create{Creators: []id.User{"alice@a.test"}, Hub: "a.test", Members: members, Type: event.Group}
	raw, err := create.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	f.ref.ID = event.ConversationID(raw)
	f.ref.Shard = f.ref.ID.Shard(testShards)
	f.append(t, conversation.Proposal{Type: frame.TypeCreate, Sender: "alice@a.test", Create: create}, raw)
	v, err := f.node.View(t.Context(), f.ref.ID)
	if err != nil {
		t.Fatal(err)
	}
	f.ref.Conv = v.Conv
	return f
}

func (f *followed) append(t *testing.T, p conversation.Proposal, content []byte) int64 {
	t.Helper()
	res, err := f.node.Append(t.Context(), timeline.Command{ConversationID: f.ref.ID, Proposal: p, Device: timelinetest.Device, Content: content})
	if err != nil {
		t.Fatal(err)
	}
	return res.Seq
}

func (f *followed) change(t *testing.T, typ string, by id.User, users ...string) int64 {
	t.Helper()
	c := frame.Change{UserIDs: users}
	raw, err := event.ChangeContent(c)
	if err != nil {
		t.Fatal(err)
	}
	return f.append(t, conversation.Proposal{Type: typ, Sender: by, Change: c}, raw)
}

// rows are those of the conversation, without what follows from it.
func (f *followed) rows(t *testing.T) (out []follower.Row) {
	t.Helper()
	out, err := f.Followers(t.Context(), f.ref.Shard, follower.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		if out[i].Ref != f.ref {
			t.Errorf("a row of %v", out[i].Ref)
		}
		out[i].Ref, out[i].Head, out[i].State = follower.Ref{}, 0, 0
	}
	return out
}

func (f *followed) want(t *testing.T, want ...follower.Row) {
	t.Helper()
	if diff := cmp.Diff(want, f.rows(t), cmpopts.EquateEmpty()); diff != "" {
		t.Helper()
		t.Error(diff)
	}
}

func TestFollowers_BeginAndEndWithTheCommitsThatSaySo(t *testing.T) {
	f := newFollowed(t, "bob@b.test", "carl@b.test", "dora@c.test")
	b, c := row("b.test", 0), row("c.test", 0)
	f.want(t, b, c)
	d := row("d.test", f.change(t, frame.TypeMemberAdd, "alice@a.test", "eve@c.test", "fred@d.test", "gus@a.test"))
	f.want(t, b, c, d)
	f.change(t, frame.TypeMemberLeave, "dora@c.test")
	f.want(t, b, c, d)
	d.Until = f.change(t, frame.TypeMemberLeave, "fred@d.test")
	f.want(t, b, c, d)
	again := row("d.test", f.change(t, frame.TypeMemberAdd, "alice@a.test", "fred@d.test"))
	f.want(t, b, c, d, again)
	again.Until = f.change(t, frame.TypeMemberBan, "alice@a.test", "fred@d.test")
	f.want(t, b, c, d, again)
}

func row(server id.Server, since int64) follower.Row {
	return follower.Row{Server: server, Since: since, Until: -1, Acked: -1}
}

func TestFollowers_APurelyLocalConversationHasNone(t *testing.T) {
	f := newFollowed(t, "bob@a.test")
	f.want(t)
}

func TestMoveCursors_WritesWhereAFollowerIs(t *testing.T) {
	f := newFollowed(t, "bob@b.test", "carl@c.test")
	one := follower.Row{Ref: f.ref, Server: "b.test", Until: -1, Acked: 7, Parked: "diverged", ParkedAt: 12}
	gone, other := one, one
	gone.Server, other.Since = "z.test", 3
	if err := f.MoveCursors(t.Context(), []follower.Row{gone, one, other}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Cursors(t.Context(), f.ref.Shard, "b.test", []int64{f.ref.Conv, f.ref.Conv + 1})
	if err != nil || len(got) != 1 || got[0] != one {
		t.Errorf("got %+v, %v", got, err)
	}
	one.Acked, one.Parked, one.ParkedAt = 3, "", 0 // It lost some: what it says counts.
	if err := f.MoveCursors(t.Context(), []follower.Row{one}); err != nil {
		t.Fatal(err)
	}
	one.Ref = follower.Ref{}
	f.want(t, one, row("c.test", 0))
}

func TestFollowers_PagesGoThroughAllOfThem(t *testing.T) {
	f := newFollowed(t, "bob@b.test", "carl@c.test", "dora@d.test")
	var servers []id.Server
	p := follower.Page{Limit: 2}
	for {
		rows, err := f.Followers(t.Context(), f.ref.Shard, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			servers = append(servers, r.Server)
			p.After = r
		}
		if len(rows) < p.Limit {
			break
		}
	}
	if diff := cmp.Diff([]id.Server{"b.test", "c.test", "d.test"}, servers); diff != "" {
		t.Error(diff)
	}
	one, err := f.Followers(t.Context(), f.ref.Shard, follower.Page{Server: "c.test", Limit: 5})
	if err != nil || len(one) != 1 || one[0].Server != "c.test" {
		t.Errorf("of one server: %+v, %v", one, err)
	}
	if one, err = f.Followers(t.Context(), f.ref.Shard, follower.Page{Server: "c.test", After: one[0], Limit: 5}); err != nil || len(one) != 0 {
		t.Errorf("of one server, after: %+v, %v", one, err)
	}
}

func TestDropFollower_LeavesTheOneWhoCameBack(t *testing.T) {
	f := newFollowed(t, "bob@b.test")
	first := follower.Row{Ref: f.ref, Server: "b.test"}
	f.change(t, frame.TypeMemberLeave, "bob@b.test")
	back := f.change(t, frame.TypeMemberAdd, "alice@a.test", "bob@b.test")
	for range 2 {
		if err := f.DropFollower(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		f.want(t, row("b.test", back))
	}
}

func TestUnpark_FreesWhatItIsAskedTo(t *testing.T) {
	f := newFollowed(t, "bob@b.test", "carl@c.test", "dora@d.test")
	park := func() {
		t.Helper()
		var rows []follower.Row
		for i, s := range []id.Server{"b.test", "c.test", "d.test"} {
			rows = append(rows, follower.Row{Ref: f.ref, Server: s, Acked: 1, Parked: "refused", ParkedAt: int64(100 * (i + 1))})
		}
		if err := f.MoveCursors(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		if n, err := f.CountParked(t.Context()); err != nil || n != 3 {
			t.Fatalf("%d parked, %v", n, err)
		}
	}
	free := func(before int64, server id.Server, conv int64, want ...id.Server) {
		t.Helper()
		park()
		got, err := f.Unpark(t.Context(), f.ref.Shard, before, server, conv)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if n, err := f.CountParked(t.Context()); err != nil || n != 3-len(want) {
			t.Errorf("%d are left, %v", n, err)
		}
	}
	free(300, "", 0, "b.test", "c.test")
	free(1000, "c.test", 0, "c.test")
	free(1000, "c.test", f.ref.Conv, "c.test")
	free(1000, "c.test", f.ref.Conv+1)
	free(200, "c.test", 0)
}

func TestDestinations_AreKeptWhileTheyFail(t *testing.T) {
	s, other := split(t)
	for _, name := range []id.Server{"a.test", "b.test", "c.test:8448"} { // In both databases.
		d := follower.Destination{Server: name, FailingSince: 10, Failures: 1, NextTry: 20, LastError: "no\x00way\xff" + strings.Repeat("é", 600)}
		if err := s.SetDestination(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		d.Failures, d.NextTry = 2, 30
		if err := s.SetDestination(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.ForgetDestination(t.Context(), "b.test"); err != nil {
		t.Fatal(err)
	}
	got, err := other.Destinations(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, d := range got {
		if d.Failures != 2 || d.NextTry != 30 || d.FailingSince != 10 || !strings.HasPrefix(d.LastError, "no way\uFFFDé") || len(d.LastError) > 1100 {
			t.Errorf("%+v", d)
		}
	}
}

func TestRetryServer_FreesAndTellsTheNodes(t *testing.T) {
	f := newFollowed(t, "bob@b.test", "carl@c.test")
	ctx := context.Background()
	if _, err := f.RetryServer(ctx, "x.test", 5); !errors.Is(err, store.ErrNoFollower) {
		t.Errorf("a server nobody knows: %v", err)
	}
	if err := f.MoveCursors(ctx, []follower.Row{{Ref: f.ref, Server: "b.test", Parked: "refused", ParkedAt: 3}}); err != nil {
		t.Fatal(err)
	}
	parked, err := f.Parked(ctx, "b.test", 10)
	if err != nil || len(parked) != 1 || parked[0].ID != f.ref.ID || parked[0].Parked != "refused" {
		t.Errorf("parked: %+v, %v", parked, err)
	}
	if n, err := f.RetryServer(ctx, "b.test", 50); err != nil || n != 1 {
		t.Errorf("freed %d, %v", n, err)
	}
	for since, want := range map[int64][]id.Server{0: {"b.test"}, 49: {"b.test"}, 50: nil} {
		got, newest, err := f.Retries(ctx, since)
		if err != nil || newest != 50 || !slices.Equal(got, want) {
			t.Errorf("since %d: %v at %d, %v", since, got, newest, err)
		}
	}
	if got, err := f.Destinations(ctx); err != nil || len(got) != 0 {
		t.Errorf("it fails: %+v, %v", got, err)
	}
}

func TestSummaries_CountWhatIsBehindAndParked(t *testing.T) {
	f := newFollowed(t, "bob@b.test", "carl@c.test")
	f.change(t, frame.TypeMemberAdd, "alice@a.test", "eve@d.test")
	f.node.Stop() // Heads are flushed.
	ctx := context.Background()
	rows := []follower.Row{{Ref: f.ref, Server: "b.test", Acked: 1}, {Ref: f.ref, Server: "c.test", Parked: "refused", ParkedAt: 3}}
	if err := f.MoveCursors(ctx, rows); err != nil {
		t.Fatal(err)
	}
	failing := follower.Destination{Server: "d.test", FailingSince: 9, Failures: 4, NextTry: 8, LastError: "away"}
	if err := f.SetDestination(ctx, failing); err != nil {
		t.Fatal(err)
	}
	got, err := f.Summaries(ctx)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b follower.Summary) int { return strings.Compare(string(a.Server), string(b.Server)) })
	want := []follower.Summary{
		{Destination: follower.Destination{Server: "b.test"}, Conversations: 1},
		{Destination: follower.Destination{Server: "c.test"}, Conversations: 1, Behind: 1, Parked: 1},
		{Destination: failing, Conversations: 1, Behind: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
