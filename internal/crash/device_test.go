// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/internal/history"
	"parley.chat/protocol/frame"
)

func testDevice(t *testing.T) *device {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	d := newDevice(newWorld("", rng), &login{user: "alice@example.org", device: "D"}, bySocket, rng)
	d.convs["c"] = true
	return d
}

func ops(d *device) (out []string) {
	for _, r := range d.w.rec.History() {
		out = append(out, string(r.Op)+" "+r.TempID)
	}
	return out
}

func TestOutbox_SendsTheSameTempIDUntilItIsAcknowledged(t *testing.T) {
	d := testDevice(t)
	d.out.compose(d.rng)
	first, _ := d.out.due()
	if again, _ := d.out.due(); len(first) != 1 || len(again) != 0 {
		t.Fatalf("%d due, then %d while the first is under way", len(first), len(again))
	}
	d.out.lost()
	second, _ := d.out.due()
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("another message after the connection was lost: %s", diff)
	}
	d.out.acked(&frame.Ack{TempID: "t1", ConversationID: "c", MessageID: "m", Seq: 3}, true)
	if n := d.out.waiting(); n != 0 {
		t.Errorf("%d wait after the acknowledgement", n)
	}
	want := []string{"invoke t1", "unknown t1", "invoke t1", "ok t1"}
	if diff := cmp.Diff(want, ops(d)); diff != "" {
		t.Error(diff)
	}
}

func TestOutbox_JudgesRefusals(t *testing.T) {
	for code, want := range map[string]struct {
		op      string
		waits   int
		problem bool
	}{
		"unavailable":          {"unknown", 1, false},
		"rate_limited":         {"fail", 1, false},
		"not_member":           {"fail", 0, false},
		"unknown_conversation": {"unknown", 0, true},
		"temp_id_conflict":     {"unknown", 0, true},
	} {
		d := testDevice(t)
		d.out.compose(d.rng)
		d.out.due()
		d.out.refused("t1", code, time.Hour)
		if list, _ := d.out.due(); len(list) > 0 {
			t.Errorf("%s: sent again at once", code)
		}
		got := ops(d)
		if got[len(got)-1] != want.op+" t1" || d.out.waiting() != want.waits || len(d.w.problems) > 0 != want.problem {
			t.Errorf("%s: recorded %q, %d wait, problems %q", code, got, d.out.waiting(), d.w.problems)
		}
	}
}

func TestDevice_ForgetsToAnOlderCursorAndWithoutItsOutbox(t *testing.T) {
	d := testDevice(t)
	d.page(&frame.Sync{Cursor: "one"})
	d.older = "one"
	d.cursor = "two"
	d.out.compose(d.rng)
	d.out.due()
	d.forget()
	if cursor, _, _ := d.state(); cursor != "one" || d.out.waiting() != 0 {
		t.Errorf("cursor %q, %d wait", cursor, d.out.waiting())
	}
	if diff := cmp.Diff([]string{"invoke t1", "unknown t1"}, ops(d)); diff != "" {
		t.Error(diff)
	}
}

func TestDevice_ARefusedCursorIsAProblem(t *testing.T) {
	d := testDevice(t)
	d.cursor = "ahead"
	if again := d.frameError(&frame.Error{Code: "invalid_cursor"}); !again || d.cursor != "" || len(d.w.problems) != 1 {
		t.Errorf("again %t with cursor %q, problems %q", again, d.cursor, d.w.problems)
	}
}

func TestDevice_FollowsWhereItIsAMember(t *testing.T) {
	d := testDevice(t)
	me := &frame.Change{UserIDs: []string{"alice@example.org"}}
	d.received(history.Live,
		frame.Event{ConversationID: "new", Type: frame.TypeCreate},
		frame.Event{ConversationID: "added", Type: frame.TypeMemberAdd, Change: me},
		frame.Event{ConversationID: "c", Type: frame.TypeMemberRemove, Change: me},
		frame.Event{ConversationID: "new", Type: frame.TypeMemberRemove, Change: &frame.Change{UserIDs: []string{"bob@example.org"}}})
	if diff := cmp.Diff(map[string]bool{"new": true, "added": true}, d.convs); diff != "" {
		t.Error(diff)
	}
}

func TestDevice_FillsAGapPageByPage(t *testing.T) {
	answers := map[string]string{
		"limit=200&afterSeq=3&beforeSeq=7": `{"messages":[{"conversationId":"c","seq":4,"messageId":"m4"},{"conversationId":"c","seq":5,"messageId":"m5"}],"hasMore":true}`,
		"limit=200&afterSeq=5&beforeSeq=7": `{"messages":[{"conversationId":"c","seq":6,"messageId":"m6"}],"hasMore":false}`,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(answers[r.URL.RawQuery]))
	}))
	defer srv.Close()
	d := testDevice(t)
	d.w.api = newAPI(strings.TrimPrefix(srv.URL, "http://"))
	d.page(&frame.Sync{Conversations: []frame.Conversation{{ConversationID: "c", Membership: "joined", Gap: &frame.Gap{AfterSeq: 3, BeforeSeq: 7}}}})
	for d.openGaps() > 0 {
		left, err := d.fill(t.Context(), d.gaps[0])
		if err != nil {
			t.Fatal(err)
		}
		d.shrink(left)
	}
	var seqs []int64
	for _, r := range d.w.rec.History() {
		seqs = append(seqs, r.Seq)
	}
	if diff := cmp.Diff([]int64{4, 5, 6}, seqs); diff != "" {
		t.Error(diff)
	}
}

func TestAPI_RefreshesAnExpiredTokenOnce(t *testing.T) {
	refreshed := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/refresh":
			refreshed++
			_, _ = w.Write([]byte(`{"accessToken":"new","refreshToken":"next"}`))
		case r.Header.Get("Authorization") != "Bearer new":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"status":401,"code":"token_expired"}`))
		}
	}))
	defer srv.Close()
	a, l := newAPI(strings.TrimPrefix(srv.URL, "http://")), &login{access: "old", refresh: "first"}
	for range 2 {
		if err := a.do(t.Context(), l, http.MethodGet, "/x", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if refreshed != 1 || l.refresh != "next" {
		t.Errorf("refreshed %d times, next refresh token %q", refreshed, l.refresh)
	}
}

func TestWorld_SuspectsOnlyWhatNoCrashExplains(t *testing.T) {
	d := testDevice(t)
	for code, status := range map[string]int{"unavailable": 503, "rate_limited": 429, "token_expired": 401, "not_member": 403} {
		r := &refusal{}
		r.Code, r.Status = code, status
		d.w.suspect(d, r)
	}
	d.w.suspect(d, os.ErrDeadlineExceeded)
	if len(d.w.problems) > 0 {
		t.Errorf("suspected: %q", d.w.problems)
	}
	r := &refusal{}
	r.Code, r.Status = "unauthenticated", 401
	d.w.suspect(d, r)
	if len(d.w.problems) != 1 {
		t.Error("a session that a crash ended was not noticed")
	}
}

func TestServer_ReadsThePostmastersFile(t *testing.T) {
	s := &server{dir: t.TempDir()}
	folder := filepath.Join(s.dir, "data", "postgres")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		"4242\n/data\n1795437671\n5432\n/tmp/s\n\n 10085965 458763\nready\n": true,
		"4242\n/data\n17":                        false,
		"0\n/data\n1795437671\n5432\n/tmp/s\n\n": false,
		"":                                       false,
	} {
		if err := os.WriteFile(filepath.Join(folder, "postmaster.pid"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		pid, socket, err := s.postmaster()
		if (err == nil) != ok || ok && (pid != 4242 || socket != "/tmp/s") {
			t.Errorf("%q: pid %d, socket %q, %v", text, pid, socket, err)
		}
	}
}

func TestServer_ComplaintsAreRacesAndPanics(t *testing.T) {
	s := &server{dir: t.TempDir()}
	text := "level=INFO msg=fine\nWARNING: DATA RACE\nlevel=ERROR msg=\"request not served\" code=unavailable\npanic: oh\n"
	if err := os.WriteFile(s.logPath(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{"server log: WARNING: DATA RACE", "server log: panic: oh"}
	if diff := cmp.Diff(want, s.complaints()); diff != "" {
		t.Error(diff)
	}
}

func TestResult_IsGoodOnlyIfItWasJudged(t *testing.T) {
	r := &Result{}
	if r.OK() || !strings.Contains(r.String(), "not checked") {
		t.Errorf("an unfinished run passes: %s", r)
	}
	r.checked = true
	if !r.OK() {
		t.Error("a run without a fault fails")
	}
	r.Problems = []string{"x"}
	if r.OK() {
		t.Error("a problem passes")
	}
}

func TestResult_KeepWritesTheEvidence(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seed-1")
	r := &Result{History: history.History{{Op: history.Quiet, At: 1}}}
	if err := r.Keep(dir); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	back, err := history.Decode(f)
	if diff := cmp.Diff(r.History, back); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestSpread_NamesMedianAndLongest(t *testing.T) {
	got := spread([]time.Duration{3 * time.Second, time.Second, 2 * time.Second})
	if got != "median 2s, longest 3s of 3" {
		t.Error(got)
	}
	if got := spread(nil); got != "not measured" {
		t.Error(got)
	}
}

func TestEvents_AreTakenUntilTheStreamEnds(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "cursor=one" || r.Header.Get("Authorization") != "Bearer token" {
			t.Errorf("asked %s", r.URL)
		}
		_, _ = w.Write([]byte("id: two\nevent: sync\ndata: {\"messages\":[{\"conversationId\":\"c\",\"seq\":4,\"messageId\":\"m4\"}],\"cursor\":\"two\"}\n\n" +
			": \n\nevent: message_received\ndata: {\"conversationId\":\"c\",\"seq\":5,\"messageId\":\"m5\"}\n\n"))
	}))
	defer srv.Close()
	d := testDevice(t)
	d.way, d.cursor, d.login.access = byEvents, "one", "token"
	d.w.api = newAPI(strings.TrimPrefix(srv.URL, "http://"))
	d.events(t.Context())
	var got []string
	for _, r := range d.w.rec.History() {
		got = append(got, string(r.Source)+" "+r.MessageID)
	}
	if diff := cmp.Diff([]string{"sync m4", "live m5"}, got); diff != "" {
		t.Error(diff)
	}
	if cursor, synced, _ := d.state(); cursor != "two" || synced {
		t.Errorf("cursor %q, synced %t after the end", cursor, synced)
	}
}

func TestOutbox_WhatWasAcceptedIsAskedAboutUntilItsOutcome(t *testing.T) {
	for outcome, want := range map[string]string{frame.Sent: "ok", frame.Failed: "fail"} {
		d := testDevice(t)
		d.out.compose(d.rng)
		d.out.due()
		d.out.acked(&frame.Ack{TempID: "t1", ConversationID: "c", Status: frame.Accepted}, true)
		d.out.forget()
		if n := d.out.waiting(); n != 1 {
			t.Fatalf("%d wait after it was accepted", n)
		}
		if list, stuck := d.out.due(); len(list) > 0 || stuck {
			t.Error("it is asked about at once")
		}
		d.out.items[0].at = time.Time{}
		if list, _ := d.out.due(); len(list) != 1 || list[0].TempID != "t1" {
			t.Errorf("asked about is %v", list)
		}
		d.out.refused("t1", "rate_limited", time.Hour) // Says nothing about what was accepted.
		d.out.acked(&frame.Ack{TempID: "t1", ConversationID: "c", Status: outcome, Seq: 3, MessageID: "m", Code: "not_member"}, true)
		if n := d.out.waiting(); n != 0 {
			t.Errorf("%d wait after the outcome", n)
		}
		if diff := cmp.Diff([]string{"invoke t1", "accepted t1", "invoke t1", "unknown t1", want + " t1"}, ops(d)); diff != "" {
			t.Error(diff)
		}
		if len(d.w.problems) > 0 {
			t.Error(d.w.problems)
		}
	}
}
