// SPDX-License-Identifier: Apache-2.0

package cases

import (
	_ "embed"
	"slices"
	"strings"
	"time"

	"parley.chat/conformance/suite"
)

// Names of the profiles that can be run.
const (
	core   = "CLIENT-CORE"
	groups = "GROUPS"
	syncs  = "SYNC"
	abuse  = "ABUSE"

	channels = "CHANNELS"
	presence = "PRESENCE"
)

//go:embed quotes.txt
var quotes string

// All returns every case, in the order of reports.
func All() []*suite.Case {
	return slices.Concat(
		discovery(), requests(), problems(), pages(), identifiers(), encoding(),
		register(), login(), tokens(), devices(), profiles(), endings(),
		direct(), sending(), changing(), personal(), idempotence(), history(), receipts(), counting(), logs(), privacy(), limits(),
		creating(), members(), roles(), reading(), full(), governing(), inviting(),
		channelCases(),
		presenceCases(),
		searching(), words(),
		cursors(), feed(), gaps(), polls(), streams(),
		opening(), tickets(), live(), badFrames(), staying(), crash(),
		rates(), reports(), leaving(),
		federationCases(),
	)
}

// Quotes returns the sentences the cases were written against, by id.
func Quotes() map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(quotes) {
		id, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		out[id] = text
	}
	return out
}

// option changes a case on its way into a list.
type option func(*suite.Case)

func slow(d time.Duration) option { return func(c *suite.Case) { c.Timeout = d } }
func fresh(c *suite.Case)         { c.Needs.Fresh = true }
func alone(c *suite.Case)         { c.Parallel = false }
func should(c *suite.Case)        { c.Level = suite.Should }

func lab(hooks ...string) option { return func(c *suite.Case) { c.Needs.Lab = hooks } }

// last keeps a case behind all others: it uses up what the server allows.
func last(c *suite.Case) { c.Parallel, c.Last = false, true }

// area makes the cases of one list, which share profile and feature.
type area struct {
	profile, feature string
	list             []*suite.Case
}

// add adds a case. reqs are ids with spaces between them; the function gets one actor for each of its parameters.
func (a *area) add(id, title, reqs string, run any, options ...option) {
	c := &suite.Case{ID: id, Title: title, Feature: a.feature, Level: suite.Must, Profile: a.profile, Parallel: true}
	known := Quotes()
	for _, r := range strings.Fields(reqs) {
		c.Requirements = append(c.Requirements, suite.Req{ID: r, Quote: known[r]})
	}
	c.Needs.Accounts, c.Run = cast(run)
	for _, o := range options {
		o(c)
	}
	a.list = append(a.list, c)
}

// cast turns a function of up to four actors into one of a T; each actor acts with an account of its own.
func cast(run any) (int, func(*suite.T)) {
	switch f := run.(type) {
	case func(*suite.T):
		return 0, f
	case func(*suite.T, *actor):
		return 1, func(t *suite.T) { a := actors(t, 1); f(t, a[0]) }
	case func(*suite.T, *actor, *actor):
		return 2, func(t *suite.T) { a := actors(t, 2); f(t, a[0], a[1]) }
	case func(*suite.T, *actor, *actor, *actor):
		return 3, func(t *suite.T) { a := actors(t, 3); f(t, a[0], a[1], a[2]) }
	case func(*suite.T, *actor, *actor, *actor, *actor):
		return 4, func(t *suite.T) { a := actors(t, 4); f(t, a[0], a[1], a[2], a[3]) }
	}
	panic("a case takes a T and up to four actors")
}
