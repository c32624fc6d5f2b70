// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// pairModel is what must be true of a direct conversation of two, told by hand.
type pairModel struct {
	blocks map[string]bool // user blocks the other
	hides  map[string]bool // user hides what was read
	read   map[string]int64
	kept   map[string][]int64 // seqs withheld from a user
	from   []string           // sender by seq, "" for the first
	prefs  map[string]frame.Prefs
}

func (m *pairModel) unread(u string) (n int64) {
	for seq, sender := range m.from {
		if int64(seq) > m.read[u] && sender != u && !m.withheld(u, int64(seq)) {
			n++
		}
	}
	return n
}

func (m *pairModel) withheld(u string, seq int64) bool {
	for _, s := range m.kept[u] {
		if s == seq {
			return true
		}
	}
	return false
}

// ownDevice is one of a user's: it syncs from where it was last.
type ownDevice struct {
	*testenv.User
	cursor string
	conv   frame.Conversation
	data   map[string]string
}

func (d *ownDevice) pull(t *testing.T) {
	t.Helper()
	for {
		page, f := d.Sync(d.cursor)
		if f != nil {
			t.Fatal(f)
		}
		for _, c := range page.Conversations {
			d.conv = c
		}
		for _, it := range page.AccountData {
			if string(it.Value) == "null" {
				delete(d.data, it.Type+" "+it.Key)
			} else {
				d.data[it.Type+" "+it.Key] = string(it.Value)
			}
		}
		if d.cursor = page.Cursor; !page.HasMore {
			return
		}
	}
}

// TestDevices_AgreeWhateverTheirUsersDo runs random steps of two users with two devices each and holds every device, and every
// answer, against the model after each.
func TestDevices_AgreeWhateverTheirUsersDo(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	rnd := rand.New(rand.NewPCG(7, 1))
	conv := us[0].Direct(us[1])
	path := "/conversations/" + conv
	m := &pairModel{
		blocks: map[string]bool{}, hides: map[string]bool{}, read: map[string]int64{}, kept: map[string][]int64{}, from: []string{""},
		prefs: map[string]frame.Prefs{us[0].ID: {Notifications: "all"}, us[1].ID: {Notifications: "all"}},
	}
	devices := map[string][]*ownDevice{}
	live := map[string]*testenv.Socket{}
	for _, u := range us {
		devices[u.ID] = []*ownDevice{{User: u, data: map[string]string{}}, {User: u.Device(), data: map[string]string{}}}
		live[u.ID] = u.Socket(nil)
	}
	var ids []string
	ids = append(ids, "")
	for step := range 120 {
		i := rnd.IntN(2)
		u, peer := us[i], us[1-i]
		by := devices[u.ID][rnd.IntN(2)]
		var what string
		switch k := rnd.IntN(10); {
		case k < 4:
			what = "send"
			ack := by.Post(conv, fmt.Sprint(step))
			m.from, ids = append(m.from, u.ID), append(ids, ack.MessageID)
			m.read[u.ID] = ack.Seq
			if m.blocks[peer.ID] {
				m.kept[peer.ID] = append(m.kept[peer.ID], ack.Seq)
			}
			p := m.prefs[u.ID]
			p.MarkedUnread = false
			m.prefs[u.ID] = p
		case k < 6 && len(ids) > 1:
			what = "read"
			seq := 1 + rnd.IntN(len(ids)-1)
			by.Do("POST", path+"/receipts", rest.Acknowledge{MessageID: ids[seq], Status: "read"}, nil)
			m.read[u.ID] = max(m.read[u.ID], int64(seq))
			p := m.prefs[u.ID]
			p.MarkedUnread = false
			m.prefs[u.ID] = p
		case k == 6:
			what = "block"
			m.blocks[u.ID] = !m.blocks[u.ID]
			method := map[bool]string{true: "PUT", false: "DELETE"}[m.blocks[u.ID]]
			by.Do(method, "/users/me/blocks/"+peer.ID, nil, nil)
		case k == 7:
			what = "hide"
			m.hides[u.ID] = !m.hides[u.ID]
			by.Do("PUT", "/users/me/settings", fmt.Sprintf(`{"readReceipts":%v}`, !m.hides[u.ID]), nil)
		default:
			what = "prefs"
			p := m.prefs[u.ID]
			p.IsPinned, p.MarkedUnread, p.Draft = rnd.IntN(2) == 0, rnd.IntN(2) == 0, strings.Repeat("x", rnd.IntN(3))
			m.prefs[u.ID] = p
			body, _ := json.Marshal(rest.EditPrefs{IsPinned: &p.IsPinned, MarkedUnread: &p.MarkedUnread, Draft: &p.Draft})
			by.Do("PUT", path+"/settings", string(body), nil)
		}
		if step%40 == 39 {
			what += ", restart"
			srv.Restart()
			for _, u := range us {
				live[u.ID] = u.Socket(nil)
			}
		}
		for _, u := range us {
			m.holds(t, srv, devices[u.ID], u, conv, fmt.Sprintf("step %d, %s by %s", step, what, by.ID))
		}
		if t.Failed() {
			return
		}
	}
	for _, u := range us {
		live[u.ID].Alive()
		for _, f := range live[u.ID].Frames() {
			m.told(t, u.ID, f)
		}
	}
}

// holds compares what the user's devices know with the model.
func (m *pairModel) holds(t *testing.T, srv *testenv.Server, list []*ownDevice, u *testenv.User, conv, when string) {
	t.Helper()
	want := m.prefs[u.ID]
	c := u.Get(conv)
	if c.UnreadCount != m.unread(u.ID) || c.IsPinned != want.IsPinned || c.MarkedUnread != want.MarkedUnread || c.Draft != want.Draft {
		t.Errorf("%s: %s sees unread %d pinned %v marked %v draft %q, want %d %+v", when, u.ID, c.UnreadCount, c.IsPinned, c.MarkedUnread, c.Draft, m.unread(u.ID), want)
	}
	for i, d := range list {
		same := func() bool {
			d.pull(t)
			return d.conv.UnreadCount == c.UnreadCount && d.conv.IsPinned == c.IsPinned && d.conv.MarkedUnread == c.MarkedUnread &&
				d.conv.Draft == c.Draft && d.conv.HeadSeq == c.HeadSeq && m.owns(u.ID, d.data)
		}
		srv.Until(fmt.Sprintf("%s: device %d of %s agrees: it has %+v, REST %+v", when, i, u.ID, d.conv, c), same)
	}
	for _, e := range u.History(conv)[1:] {
		m.shows(t, u.ID, e, when)
	}
}

// owns tells whether the account data of a device is what the user made it.
func (m *pairModel) owns(u string, data map[string]string) bool {
	blocked := false
	for key := range data {
		blocked = blocked || strings.HasPrefix(key, "block ")
	}
	return blocked == m.blocks[u] && strings.Contains(data["settings "], `"readReceipts":false`) == m.hides[u]
}

// shows checks a record of a page.
func (m *pairModel) shows(t *testing.T, u string, e frame.Event, when string) {
	t.Helper()
	if (e.Withheld != "") != m.withheld(u, e.Seq) || (e.Content == "") != m.withheld(u, e.Seq) {
		t.Errorf("%s: %s sees %+v, withheld %v", when, u, e, m.kept[u])
	}
	if e.SenderID != u {
		return
	}
	for other := range m.prefs {
		if other == u {
			continue
		}
		switch {
		case m.withheld(other, e.Seq) && e.Status != "sent":
			t.Errorf("%s: %s sees that %d is %s though it never came", when, u, e.Seq, e.Status)
		case (m.hides[u] || m.hides[other]) && e.Status == "read":
			t.Errorf("%s: %s sees that %d was read, which is hidden", when, u, e.Seq)
		}
	}
}

// told checks a live frame: what was withheld did not come.
func (m *pairModel) told(t *testing.T, u string, f testenv.Frame) {
	t.Helper()
	var e frame.Event
	if f.Type == frame.MessageReceived && f.Decode(&e) == nil && m.withheld(u, e.Seq) {
		t.Errorf("%s got %d live, which was withheld", u, e.Seq)
	}
}
