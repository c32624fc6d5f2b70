// SPDX-License-Identifier: Apache-2.0

package suite

import "time"

// Level is how strong the strongest requirement of a case is.
type Level string

// Levels.
const (
	Must   Level = "must"
	Should Level = "should"
)

// Status is how a case ended.
type Status string

// Statuses, from the best to the worst.
const (
	Pass       Status = "pass"
	Skip       Status = "skip"       // the server does not claim the feature
	Impossible Status = "impossible" // what the case needs is not here
	Flaky      Status = "flaky"      // failed, then passed on the one retry
	Fail       Status = "fail"
	Error      Status = "error" // the suite's own fault
)

// Req is a requirement with the sentence it had when the case was written.
type Req struct {
	ID    string `json:"id"`
	Quote string `json:"quote"`
}

// Needs is what a case cannot run without.
type Needs struct {
	Accounts int      // how many at the same time
	Fresh    bool     // accounts nobody used before, which the case may destroy
	Servers  int      // 2 for cases that need a peer
	Mock     bool     // a homeserver that the suite pretends to be
	Lab      []string // names of hooks: kill, start, partition, restore, clock
}

// Case is one thing that is checked.
type Case struct {
	ID           string // upper case with dashes, never used again for something else
	Title        string
	Requirements []Req
	Feature      string // of features.yaml; "" for what every server has
	Level        Level
	Profile      string
	Needs        Needs
	Timeout      time.Duration // 0 for 30 seconds
	Parallel     bool          // whether other cases may run meanwhile
	Last         bool          // runs after all others, because it uses up what the server allows
	Run          func(*T)
}

func (c *Case) timeout() time.Duration {
	if c.Timeout == 0 {
		return 30 * time.Second
	}
	return c.Timeout
}

// Profile is a set of features that belong together.
type Profile struct {
	Name    string
	Of      string
	Planned []string // what it will ask for; nil if it can be run now
}

// Profiles returns all profiles in the order of reports.
func Profiles() []Profile {
	return []Profile{
		{Name: "CLIENT-CORE", Of: "accounts, devices, direct conversations, messages, receipts, history, errors, the socket"},
		{Name: "GROUPS", Of: "groups: roles, members, rights, who may read what"},
		{Name: "SYNC", Of: "the feed over socket, long poll and server-sent events"},
		{Name: "CHANNELS", Of: "channels: few write, many read"},
		{Name: "MEDIA", Of: "uploads and downloads", Planned: []string{
			"an upload over the limit is refused before it is read", "a download needs a membership", "range requests answer 206", "an upload nobody refers to expires"}},
		{Name: "PUSH", Of: "notifications", Planned: []string{
			"a device without a socket is woken within 5 seconds", "the notification carries a position and no content", "a dead endpoint is forgotten"}},
		{Name: "PRESENCE", Of: "presence, typing, last seen"},
		{Name: "E2EE", Of: "end-to-end encryption", Planned: []string{
			"a one-time prekey is handed out once", "a change of devices is seen by the peers", "a backup opens with its key only"}},
		{Name: "FEDERATION", Of: "servers that find, know and ask each other, and conversations across them"},
		{Name: "FAILOVER", Of: "a change of the hub", Planned: []string{
			"a planned hand-over loses nothing under load", "an old hub that returns is fenced", "a split view yields proof"}},
		{Name: "ABUSE", Of: "rates, limits for newcomers, reports, taking along and erasing"},
		{Name: "ADMIN", Of: "what operators do", Planned: []string{
			"a suspended account cannot act", "what a moderator deletes does not name the moderator"}},
		{Name: "PERF", Of: "measurements, for information", Planned: []string{
			"p50 and p99 from send to receive", "bytes for each idle connection", "database writes for each message"}},
	}
}
