// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"testing"

	"parley.chat/internal/timelinetest"
)

func TestLog_OnPostgreSQL(t *testing.T) { timelinetest.Contract(t, openGroups) }

func TestLog_WhatWasAppendedIsThereAfterRestart(t *testing.T) {
	s := openLog(t)
	alice, bob := timelinetest.User("alice"), timelinetest.User("bob")
	n := timelinetest.Start(t, s)
	create := timelinetest.Group(t, "first", alice, bob)
	n.MustAppend(t, create)
	for i := range 10 {
		res := n.MustAppend(t, timelinetest.Message(t, create.ConversationID, bob, fmt.Sprint("t", i), "hello"))
		if res.Seq != int64(i)+1 {
			t.Fatalf("seq %d, want %d", res.Seq, i+1)
		}
	}
	n.Stop()
	n = timelinetest.Start(t, s)
	v, err := n.View(t.Context(), create.ConversationID)
	if err != nil {
		t.Fatal(err)
	}
	if v.Head.Seq != 10 || v.Head.Count != 10 || v.State.Joined != 2 || v.Last.Seq != 10 {
		t.Errorf("got %+v", v)
	}
}
