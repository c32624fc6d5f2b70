// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/channel"
	"parley.chat/protocol/id"
)

var newsroom = id.NewConversation([32]byte{7})

func TestChannels_TheCounterIsExactWhateverComesAtOnce(t *testing.T) {
	s := openLog(t)
	ctx := t.Context()
	p := channel.Place{Shard: newsroom.Shard(testShards), Conv: 3}
	var wg sync.WaitGroup
	for i := range 12 {
		u := id.User(fmt.Sprintf("u%d@x", i%6)) // Each one twice at once.
		wg.Go(func() {
			for range 5 {
				if _, err := s.Subscribe(ctx, p, newsroom, channel.Reader{User: u, SubscribedAt: 1}, false); err != nil && !isEnded(err) {
					t.Error(err)
				}
				if u != "u0@x" {
					if err := s.Unsubscribe(ctx, p, newsroom, u, 0); err != nil {
						t.Error(err)
					}
				}
			}
			if u == "u1@x" {
				if err := s.Unsubscribe(ctx, p, newsroom, u, 9); err != nil { // A ban, of somebody who may be gone.
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	rows, err := s.Subscribers(ctx, p, "", false, 100)
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Count(ctx, p)
	if err != nil || n != int64(len(rows)) || n != 1 {
		t.Errorf("counted %d, there are %d: %v", n, len(rows), err)
	}
	banned, err := s.Subscribers(ctx, p, "", true, 100)
	if err != nil || len(banned) != 1 || banned[0].User != "u1@x" {
		t.Errorf("banned are %v, %v", banned, err)
	}
}

// isEnded tells that the subscription was ended between being made and being read back.
func isEnded(err error) bool { return err.Error() == "the subscription was ended meanwhile" }

func TestChannels_ABanOutlastsSubscribingAndEndsByAPardon(t *testing.T) {
	s := openLog(t)
	ctx := t.Context()
	p := channel.Place{Shard: newsroom.Shard(testShards), Conv: 3}
	row := channel.Reader{User: "bob@x", SinceSeq: 4, ReadSeq: 4, ReadCount: 3, SubscribedAt: 5}
	step := func(what string, pardon bool, bannedAt int64, count int64, indexed bool) {
		t.Helper()
		have, err := s.Subscribe(ctx, p, newsroom, row, pardon)
		if err != nil || have.BannedAt != bannedAt {
			t.Errorf("%s: %+v %v", what, have, err)
		}
		list, err := s.Subscriptions(ctx, "bob@x", 10)
		if n, _ := s.Count(ctx, p); err != nil || n != count || slices.Contains(list, newsroom) != indexed {
			t.Errorf("%s: %d subscribers, index %v, %v", what, n, list, err)
		}
	}
	step("at first", false, 0, 1, true)
	step("again", false, 0, 1, true)
	if err := s.Unsubscribe(ctx, p, newsroom, "bob@x", 77); err != nil {
		t.Fatal(err)
	}
	step("banned", false, 77, 0, false)
	if err := s.Unsubscribe(ctx, p, newsroom, "bob@x", 0); err != nil {
		t.Fatal(err)
	}
	step("after trying to leave", false, 77, 0, false)
	step("pardoned", true, 0, 1, true)
}

func TestChannels_FlushMovesPointersForwardAndAddsViews(t *testing.T) {
	s := openLog(t)
	ctx := t.Context()
	p, q := channel.Place{Shard: 1, Conv: 3}, channel.Place{Shard: 2, Conv: 3}
	for _, at := range []channel.Place{p, q} {
		if _, err := s.Subscribe(ctx, at, newsroom, channel.Reader{User: "bob@x"}, false); err != nil {
			t.Fatal(err)
		}
	}
	flush := func(read int64, views ...channel.Views) {
		t.Helper()
		if err := s.Flush(ctx, []channel.Point{{Place: p, User: "bob@x", Read: read, ReadCount: read}}, views); err != nil {
			t.Fatal(err)
		}
	}
	flush(5, channel.Views{Place: p, First: 1, Last: 5, Add: 2}, channel.Views{Place: q, First: 2, Last: 2, Add: 1})
	flush(3, channel.Views{Place: p, First: 4, Last: 6, Add: 1})
	rows, err := s.Readers(ctx, 1, []int64{3, 4}, "bob@x")
	if err != nil || len(rows) != 1 || rows[3].ReadSeq != 5 || rows[3].ReadCount != 5 {
		t.Errorf("%+v %v", rows, err)
	}
	views, err := s.Views(ctx, p, []int64{0, 1, 4, 5, 6, 7})
	if diff := cmp.Diff(map[int64]int64{1: 2, 4: 3, 5: 3, 6: 1}, views); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	set := channel.Settings{MutedUntil: 9, IsArchived: true}
	if err := s.Set(ctx, p, "bob@x", set); err != nil {
		t.Fatal(err)
	}
	if rows, err = s.Readers(ctx, 1, []int64{3}, "bob@x"); err != nil || rows[3].Settings != set {
		t.Errorf("%+v %v", rows, err)
	}
}
