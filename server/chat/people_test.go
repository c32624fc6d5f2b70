// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"net/http"
	"strings"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

func TestPeople_WrongNamesAreToldBeforeTheServerIsAsked(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	for line, want := range map[string]string{
		"/dm Álice!":            `! "Álice!" is not a username: it holds only a-z 0-9 . _ - and at most 64 of them`,
		"/dm @":                 `! "@" is not a username: it holds only a-z 0-9 . _ - and at most 64 of them`,
		"/dm bob@/":             `! "bob@/" is not a user: type NAME, or NAME@SERVER`,
		"/dm Alice":             "! that is you: /dm takes the name of someone else",
		"/dm alice@x":           "! that is you: /dm takes the name of someone else",
		"/group band bob b\x1b": "! \"b\uFFFD\" is not a username: it holds only a-z 0-9 . _ - and at most 64 of them",
	} {
		a.line(t.Context(), line)
		if got := strings.Join(p.took(), "|"); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if n := f.Called("POST conversations"); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestPeople_WhatIsAmissWithAUserElsewhereIsTold(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	for code, want := range map[fault.Code]string{
		fault.UnknownUser:       "! no such user: someone",
		fault.ServerUnreachable: "! the server other.example does not answer",
	} {
		f.OnCall = func(w http.ResponseWriter, _ string) bool {
			sdktest.Refuse(w, fault.New(code, "%s", strings.TrimPrefix(want, "! ")))
			return true
		}
		for _, line := range []string{"/dm bob@other.example", "/group g carol bob@other.example"} {
			a.line(t.Context(), line)
			if got := strings.Join(p.took(), "|"); got != want {
				t.Errorf("%q: %q, want %q", line, got, want)
			}
		}
	}
}

func TestPeople_ConversationsAreOpenedByName(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	for _, line := range []string{"/dm bob", `/group "The Band" carol`, "/group twin", "/group Twin"} {
		a.line(t.Context(), line)
	}
	p.took()
	for line, want := range map[string]string{
		"/open BOB":        "── bob ──",
		"/open @bob":       "── bob ──",
		"/open bob@x":      "── bob ──",
		"/open the band":   "── The Band ──",
		`/open "The Band"`: "── The Band ──",
		"/open TWIN":       `! several conversations are called "TWIN": /list, then /open N`,
		"/open 0":          `! no conversation "0": /list shows them, /dm NAME begins one`,
	} {
		a.open = ""
		a.line(t.Context(), line)
		if got := p.took(); len(got) == 0 || got[0] != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestPeople_LeftConversationsHaveNoName(t *testing.T) {
	m := newModel("alice@x")
	m.learn(frame.Conversation{ConversationID: "c", Name: "band", Membership: "left"})
	m.learn(frame.Conversation{ConversationID: "d", PeerID: "bob@x"})
	if got := m.called("band"); got != nil {
		t.Errorf("found %q", got)
	}
	if got := m.called(""); got != nil {
		t.Errorf("the empty name finds %q", got)
	}
}

func TestLost_SaysWhy(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), true)
	a.all(sdk.Connection{State: sdk.Waiting, Err: fault.New(fault.Draining, "the server restarts")})
	if got := p.took(); len(got) != 1 || got[0] != "the server restarts; trying again" {
		t.Errorf("said %q", got)
	}
}
