// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"parley.chat/core/follower"
	"parley.chat/federation/peer"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

func TestPush_AFollowerGetsEveryEntryInOrder(t *testing.T) {
	run(t, func(w *world) {
		b, c := w.remote("b.test"), w.remote("c.test")
		room := w.open("bob@b.test", "carl@c.test")
		w.tell(room, room.log[0].Event)
		w.wantAt(b, room, 0)
		w.say(room, 3)
		w.wantAt(b, room, 3)
		w.wantAt(c, room, 3)
		w.say(room, 30)
		w.wantAt(b, room, 33)
		if b.snaps != 1 || b.doubled != 0 || b.heads != 0 {
			t.Errorf("%d snapshots, %d heads, %d entries twice", b.snaps, b.heads, b.doubled)
		}
	})
}

func TestPush_ConversationsShareATransaction(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		b.delay = time.Second
		var rooms []*room
		for range 30 {
			rooms = append(rooms, w.open("bob@b.test"))
		}
		for _, r := range rooms {
			w.tell(r, r.log[0].Event)
		}
		w.pass(5 * time.Second)
		for _, r := range rooms {
			w.say(r, 1)
		}
		w.pass(5 * time.Second)
		for _, r := range rooms {
			w.wantAt(b, r, 1)
		}
		if b.taken > 6 {
			t.Errorf("%d transactions for 30 conversations", b.taken)
		}
	})
}

func TestPush_ALongBodyIsSplit(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		w.tell(room, room.log[0].Event)
		w.wantAt(b, room, 0)
		text := strings.Repeat("\"", 30_000) // 60 kB in the content, 120 kB on the wire.
		for range 40 {
			w.prepare(room, frame.TypeMessage, alice, message(text))
		}
		w.show(room, 40)
		w.tell(room, room.log[40].Event)
		w.wantAt(b, room, 40)
		if b.taken < 5 {
			t.Errorf("40 long messages came in %d transactions", b.taken)
		}
	})
}

func TestPush_WhoIsFarBehindIsToldAndPulls(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		w.tell(room, room.log[0].Event)
		w.wantAt(b, room, 0)
		for range 200 {
			w.prepare(room, frame.TypeMessage, alice, message("x"))
		}
		w.show(room, 200)
		w.tell(room, room.log[200].Event)
		w.pass(time.Second)
		if b.at(room) != 0 || b.heads != 1 || b.have[room.ref.ID].told != 200 {
			t.Errorf("at %d, %d heads", b.at(room), b.heads)
		}
		b.pull()
		if b.at(room) != 200 || b.doubled != 0 {
			t.Errorf("pulled to %d, %d entries twice", b.at(room), b.doubled)
		}
		w.pass(time.Minute) // It is asked again, and the position moves.
		w.wantAt(b, room, 200)
		w.say(room, 1)
		w.wantAt(b, room, 201)
		if b.doubled != 0 {
			t.Errorf("%d entries twice", b.doubled)
		}
	})
}

func TestMoved_TheLastMembersServerGetsTheLeaveAndNothingAfter(t *testing.T) {
	for _, typ := range []string{frame.TypeMemberLeave, frame.TypeMemberRemove, frame.TypeMemberBan} {
		t.Run(typ, func(t *testing.T) {
			run(t, func(w *world) {
				b := w.remote("b.test")
				room := w.open("bob@b.test")
				w.say(room, 2)
				w.wantAt(b, room, 2)
				if typ == frame.TypeMemberLeave {
					w.change(room, typ, "bob@b.test")
				} else {
					w.change(room, typ, alice, "bob@b.test")
				}
				w.say(room, 2)
				w.pass(2 * time.Second)
				if _, ok := w.row(room, "b.test"); ok || b.at(room) != 3 {
					t.Errorf("it is at %d, follows %t", b.at(room), ok)
				}
			})
		})
	}
}

func TestPush_WhoComesBackBeginsWithASnapshot(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test", "carl@c.test")
		w.say(room, 2)
		w.wantAt(b, room, 2)
		b.set(func(r *remote) { r.away = errors.New("no route") })
		w.change(room, frame.TypeMemberLeave, "bob@b.test")
		w.say(room, 5)
		back := w.change(room, frame.TypeMemberAdd, alice, "bob@b.test")
		w.say(room, 5)
		w.pass(time.Minute)
		b.set(func(r *remote) { r.away = nil })
		w.out.Heard("b.test")
		w.pass(time.Minute)
		w.wantAt(b, room, back.Seq+5)
		if c := b.have[room.ref.ID]; c.base != back.Seq || c.bare != 0 {
			t.Errorf("it begins at %d with %d bare entries, want %d", c.base, c.bare, back.Seq)
		}
	})
}

// The state knows of a member who came back only the newest membership; what the server lacks of the one before it gets nevertheless.
func TestPush_WhoLeftAndCameBackWhileAwayGetsTheEndOfTheFirstRun(t *testing.T) {
	for _, far := range []int{3, 80} {
		run(t, func(w *world) {
			b := w.remote("b.test")
			room := w.open("bob@b.test")
			w.say(room, 2)
			w.wantAt(b, room, 2)
			b.set(func(r *remote) { r.away = errors.New("no route") })
			w.say(room, far)
			for range 2 {
				w.change(room, frame.TypeMemberAdd, alice, "carl@b.test")
				w.change(room, frame.TypeMemberLeave, "bob@b.test")
				leave := w.change(room, frame.TypeMemberLeave, "carl@b.test")
				w.say(room, 1)
				w.change(room, frame.TypeMemberAdd, alice, "bob@b.test")
				if far == 80 && leave.Seq < 90 {
					w.say(room, 60)
				}
			}
			last := room.shown - 1
			w.pass(10 * time.Minute)
			b.set(func(r *remote) { r.away = nil })
			w.out.Heard("b.test")
			for range 4 {
				w.pass(5 * time.Minute)
				b.pull()
			}
			w.pass(2 * time.Hour)
			w.wantAt(b, room, last)
			w.say(room, 1)
			w.wantAt(b, room, last+1)
			w.mu.Lock()
			if len(w.rows) != 1 {
				t.Errorf("%d rows are left", len(w.rows))
			}
			w.mu.Unlock()
			if c := b.have[room.ref.ID]; c.bare != 0 || b.snaps != 2 {
				t.Errorf("%d entries without content, %d snapshots", c.bare, b.snaps)
			}
		})
	}
}

func TestBackoff_DoublesToAnHourAndEndsWhenTheServerIsHeard(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		b.away = errors.New("connection refused")
		room := w.open("bob@b.test")
		w.tell(room, room.log[0].Event)
		w.pass(12 * time.Hour)
		var gaps []time.Duration
		for i := 1; i < len(b.when); i++ {
			gaps = append(gaps, b.when[i].Sub(b.when[i-1]))
		}
		if len(gaps) < 20 || len(gaps) > 50 {
			t.Errorf("%d attempts in twelve hours", len(gaps)+1)
		}
		for i, g := range gaps {
			most := min(time.Hour, time.Second<<i)
			if g < most/2 || g > most+time.Second {
				t.Errorf("pause %d is %v", i, g)
			}
		}
		if d := w.dests["b.test"]; d.Failures != len(b.when) || d.LastError != "connection refused" || d.FailingSince == 0 {
			t.Errorf("the operator sees %+v", d)
		}
		b.set(func(r *remote) { r.away = nil })
		before := time.Now()
		w.out.Heard("b.test")
		w.pass(time.Second)
		if b.at(room) != 0 || b.when[len(b.when)-1].Sub(before) > time.Second {
			t.Errorf("it is at %d, tried after %v", b.at(room), b.when[len(b.when)-1].Sub(before))
		}
		if len(w.dests) != 0 {
			t.Errorf("the operator still sees %+v", w.dests)
		}
	})
}

func TestHeard_AServerThatAsksAllTheTimeIsNotTriedAllTheTime(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		b.away = errors.New("connection refused")
		room := w.open("bob@b.test")
		w.tell(room, room.log[0].Event)
		for range 1000 {
			w.pass(20 * time.Millisecond)
			w.out.Heard("b.test")
		}
		if b.asked < 10 || b.asked > 45 {
			t.Errorf("%d attempts in 20 seconds", b.asked)
		}
	})
}

func TestRetryAfter_IsHonouredAndNotEndedByAWord(t *testing.T) {
	for _, status := range []int{429, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			run(t, func(w *world) {
				b := w.remote("b.test")
				b.away = &peer.Refusal{Status: status, Code: "x", RetryAfter: 10 * time.Minute}
				room := w.open("bob@b.test")
				w.tell(room, room.log[0].Event)
				w.pass(time.Second)
				b.set(func(r *remote) { r.away = nil })
				w.say(room, 1)
				w.out.Heard("b.test")
				w.pass(9 * time.Minute)
				if b.asked != 1 {
					t.Errorf("asked %d times within the pause", b.asked)
				}
				w.pass(2 * time.Minute)
				w.wantAt(b, room, 1)
				w.say(room, 1)
				w.wantAt(b, room, 2)
			})
		})
	}
}

func TestPoison_AnItemThatIsRefusedIsParkedAndHoldsUpNothing(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		bad, good := w.open("bob@b.test"), w.open("bob@b.test")
		b.refuse[bad.ref.ID] = "entry_refused"
		for range 3 {
			w.say(bad, 1)
			w.say(good, 1)
			w.pass(time.Second)
		}
		w.wantAt(b, good, 3)
		row, _ := w.row(bad, "b.test")
		if row.Parked != "entry_refused" || row.ParkedAt == 0 || b.at(bad) != -1 {
			t.Errorf("the row is %+v", row)
		}
		asked := b.asked
		w.say(bad, 5)
		w.pass(10 * time.Hour)
		if b.asked != asked {
			t.Errorf("it was sent again: %d", b.asked-asked)
		}
		b.set(func(r *remote) { delete(r.refuse, bad.ref.ID) })
		w.pass(16 * time.Hour)
		w.wantAt(b, bad, 8)
	})
}

func TestPoison_ASnapshotThatIsAskedForFreesIt(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		b.refuse[room.ref.ID] = "diverged"
		w.say(room, 1)
		w.pass(2 * time.Second)
		b.set(func(r *remote) { delete(r.refuse, room.ref.ID) })
		if _, err := w.out.Snapshot(t.Context(), "b.test", room.ref.ID); err != nil {
			t.Fatal(err)
		}
		w.wantAt(b, room, 1)
		if row, _ := w.row(room, "b.test"); row.Parked != "" {
			t.Errorf("still parked: %+v", row)
		}
	})
}

func TestRetry_TheOperatorsWordFreesAndTries(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		b.refuse[room.ref.ID] = "Not A Code\n"
		w.say(room, 1)
		w.pass(2 * time.Second)
		if row, _ := w.row(room, "b.test"); row.Parked != "malformed_code" {
			t.Errorf("parked as %q", row.Parked)
		}
		b.set(func(r *remote) { delete(r.refuse, room.ref.ID) })
		w.mu.Lock()
		for k, r := range w.rows { // As the command does it.
			r.Parked, r.ParkedAt = "", 0
			w.rows[k] = r
		}
		w.retry["b.test"] = time.Now().UnixMilli()
		w.mu.Unlock()
		w.pass(6 * time.Second)
		w.wantAt(b, room, 1)
	})
}

func TestPoison_ABodyThatIsRefusedAsAWholeIsTakenApart(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		b.delay = time.Second
		var rooms []*room
		for range 10 {
			rooms = append(rooms, w.open("bob@b.test"))
		}
		b.fussy = rooms[4].ref.ID
		for _, r := range rooms {
			w.say(r, 1)
		}
		w.pass(time.Minute)
		for i, r := range rooms {
			if i != 4 {
				w.wantAt(b, r, 1)
			}
		}
		if row, _ := w.row(rooms[4], "b.test"); row.Parked != "invalid_field" {
			t.Errorf("the row of the bad one is %+v", row)
		}
	})
}

func TestItem_ARefusalThatPassesIsTriedLater(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		b.refuse[room.ref.ID] = "unavailable"
		w.say(room, 1)
		w.pass(20 * time.Second)
		if row, _ := w.row(room, "b.test"); row.Parked != "" || b.asked > 2 {
			t.Errorf("asked %d times, %+v", b.asked, row)
		}
		b.set(func(r *remote) { delete(r.refuse, room.ref.ID) })
		w.pass(2 * time.Minute)
		w.wantAt(b, room, 1)
	})
}

func TestAnswer_AFollowerThatSaysItHasMoreThanThereIsIsParked(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		b.seqOfLie = 5
		w.say(room, 1)
		w.pass(2 * time.Second)
		if row, _ := w.row(room, "b.test"); row.Parked != "ahead_of_hub" || row.Acked != follower.None {
			t.Errorf("the row is %+v", row)
		}
	})
}

func TestAnswer_AFollowerThatTakesNothingIsNotAskedWithoutEnd(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		w.say(room, 1)
		w.wantAt(b, room, 1)
		b.set(func(r *remote) { r.seqOfLie = -2 }) // It says that it is where it was, or before.
		w.say(room, 2)
		w.pass(10 * time.Minute)
		if b.asked > 60 {
			t.Errorf("asked %d times in ten minutes", b.asked)
		}
		b.set(func(r *remote) { r.seqOfLie = 0 })
		w.pass(2 * time.Hour)
		w.wantAt(b, room, 3)
	})
}

// A server that answers anything at all costs a bounded number of transactions, and others have theirs meanwhile.
func TestAnswer_WhateverAServerSaysItIsNotAskedWithoutEnd(t *testing.T) {
	for seed := range uint64(20) {
		run(t, func(w *world) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			b, c := w.remote("b.test"), w.remote("c.test")
			codes := []string{"", "", "", "entries_missing", "unknown_replica", "unavailable", "no_member_here", "\x00", strings.Repeat("x", 5000)}
			b.lies = func(t replica.Transaction) (out replica.Taken) {
				for _, it := range t.Items {
					out.Results = append(out.Results, replica.Result{ConversationID: it.ConversationID, Seq: rnd.Int64N(50) - 5, Code: codes[rnd.IntN(len(codes))]})
				}
				if rnd.IntN(10) == 0 {
					out.Results = append(out.Results, out.Results...)
				}
				return out
			}
			var rooms []*room
			for range 5 {
				rooms = append(rooms, w.open("bob@b.test", "carl@c.test"))
				w.say(rooms[len(rooms)-1], 40)
			}
			w.pass(time.Hour)
			if b.asked > 1500 {
				t.Errorf("seed %d: asked %d times in an hour", seed, b.asked)
			}
			for _, r := range rooms {
				w.wantAt(c, r, 40)
				if row, ok := w.row(r, "b.test"); !ok || row.Acked > 40 || row.Acked < -1 || len(row.Parked) > 64 {
					t.Errorf("seed %d: %+v", seed, row)
				}
			}
		})
	}
}

func TestRestart_ALostPositionCostsAQuestionAndNoEntry(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		w.say(room, 3)
		w.wantAt(b, room, 3)
		stale, _ := w.row(room, "b.test")
		w.say(room, 4)
		w.wantAt(b, room, 7)
		w.stop()
		w.mu.Lock()
		w.rows[rowKey{room.ref.ID, "b.test", 0}] = stale // The write was lost in the crash.
		w.mu.Unlock()
		for range 2 { // Nor was the outbox told of these.
			w.append(room, frame.TypeMessage, alice, message("unheard of"))
		}
		w.start()
		w.pass(3 * time.Second)
		w.wantAt(b, room, 9)
		if b.doubled != 0 || b.heads != 1 {
			t.Errorf("%d entries twice, %d heads", b.doubled, b.heads)
		}
	})
}

func TestRestart_AFailingServerIsStillFailing(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		b.away = errors.New("no route")
		room := w.open("bob@b.test")
		w.say(room, 1)
		w.pass(3 * time.Hour)
		since := w.dests["b.test"].FailingSince
		w.stop()
		w.start()
		asked := b.asked
		w.pass(20 * time.Minute)
		if b.asked-asked > 1 || w.dests["b.test"].FailingSince != since {
			t.Errorf("asked %d times in 20 minutes; failing since %d, before %d", b.asked-asked, w.dests["b.test"].FailingSince, since)
		}
	})
}

func TestShards_WhatAnotherNodeOwnsIsItsToSend(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		w.mu.Lock()
		w.epochs[room.ref.Shard] = 0
		w.mu.Unlock()
		w.append(room, frame.TypeMessage, alice, message("by another node"))
		w.out.Lost()
		w.pass(time.Minute)
		if b.asked != 0 {
			t.Errorf("asked %d times", b.asked)
		}
		w.mu.Lock()
		w.epochs[room.ref.Shard] = 5
		w.mu.Unlock()
		w.pass(3 * time.Second)
		w.wantAt(b, room, 1)
	})
}

func TestShards_OneThatIsLostDoesNotHoldUpTheOthers(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		lost, kept := w.open("bob@b.test"), w.open("bob@b.test")
		for kept.ref.Shard == lost.ref.Shard {
			kept = w.open("bob@b.test")
		}
		w.mu.Lock()
		w.epochs[lost.ref.Shard] = 0
		w.mu.Unlock()
		w.say(lost, 1) // Committed just before.
		w.say(kept, 1)
		w.wantAt(b, kept, 1)
		if b.at(lost) != -1 {
			t.Errorf("the other is at %d", b.at(lost))
		}
	})
}

func TestLog_TroubleOfOurOwnIsNotTheServers(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		w.mu.Lock()
		w.broken = errors.New("the database is away")
		w.mu.Unlock()
		w.say(room, 1)
		w.pass(10 * time.Second)
		w.mu.Lock()
		w.broken = nil
		if len(w.dests) != 0 || b.asked != 0 {
			t.Errorf("failing: %+v, asked %d", w.dests, b.asked)
		}
		w.mu.Unlock()
		w.wantAt(b, room, 1)
	})
}

func TestTurns_ServersThatDoNotAnswerDoNotKeepOthersWaiting(t *testing.T) {
	run(t, func(w *world) {
		for i := range 200 {
			r := w.remote(id.Server(fmt.Sprintf("s%d.test", i)))
			r.delay, r.away = 30*time.Second, errors.New("timeout")
			room := w.open(id.User("bob@" + string(r.name)))
			w.tell(room, room.log[0].Event)
		}
		w.pass(3 * time.Minute) // All failed once and are known as slow.
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		for range 50 {
			w.say(room, 1)
			w.pass(2 * time.Second)
			if got := b.at(room); got != room.shown-1 {
				t.Fatalf("it is at %d of %d", got, room.shown-1)
			}
		}
	})
}
