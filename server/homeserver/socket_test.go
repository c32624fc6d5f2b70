// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func TestSocket_IsClosedAtOnceWhenTheDeviceEnds(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	for what, c := range map[string]struct {
		end  func(owner, device *testenv.User)
		code int
	}{
		"removed by another device": {func(o, d *testenv.User) { o.Do("DELETE", "/devices/"+d.DeviceID, nil, nil) }, 4500},
		"logout":                    {func(o, d *testenv.User) { d.Do("POST", "/logout", nil, nil) }, 4500},
		"password changed": {func(o, d *testenv.User) {
			o.Do("POST", "/users/me/password", rest.ChangePassword{CurrentPassword: testenv.Password, NewPassword: "another password"}, nil)
		}, 4500},
		"account deactivated": {func(o, d *testenv.User) {
			o.Do("POST", "/users/me/deactivate", rest.Deactivate{Password: testenv.Password}, nil)
		}, 4501},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			owner := srv.User(t, strings.ReplaceAll(what, " ", "-"))
			device := owner.Device()
			sockets := []*testenv.Socket{device.Socket(nil), device.Socket(nil)}
			dumb, f := device.Dial(nil, nil) // Not synced: it has to go too.
			if f != nil {
				t.Fatal(f)
			}
			start := time.Now()
			c.end(owner, device)
			for _, s := range append(sockets, dumb) {
				if code, _ := s.Closed(); code != c.code {
					t.Errorf("closed with %d, want %d", code, c.code)
				}
			}
			if took := time.Since(start); took > soon {
				t.Errorf("it took %v", took)
			}
			if f := device.Call("GET", "/devices", nil, nil); f == nil || fault.Lookup(f.Code).Status != 401 {
				t.Errorf("the token still works: %v", f)
			}
			if _, f := device.Dial(nil, nil); f == nil || fault.Lookup(f.Code).Status != 401 {
				t.Errorf("a new socket opened: %v", f)
			}
		})
	}
}

func TestSocket_OfTheDeviceThatChangesThePasswordStays(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	u := srv.User(t, "alice")
	own, other := u.Socket(nil), u.Device().Socket(nil)
	u.Do("POST", "/users/me/password", rest.ChangePassword{CurrentPassword: testenv.Password, NewPassword: "another password"}, nil)
	other.Closed()
	own.Alive()
}

func TestTicket_OpensOneSocketFromItsOrigin(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	u := srv.User(t, "alice")
	ticket := func(origin string) string {
		req, err := u.Request(t.Context(), "POST", "/ws/ticket", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", origin)
		res, err := u.Raw(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var out rest.Ticket
		raw, _ := io.ReadAll(res.Body)
		check(t, unmarshal(raw, &out))
		return out.Ticket
	}
	open := func(ticket, origin string) (*testenv.Socket, *fault.Error) {
		return u.Dial(nil, func(h http.Header) {
			h.Del("Authorization")
			h.Set("Origin", origin)
			h.Set("Sec-Websocket-Protocol", "parley.v1, parley.ticket."+ticket)
		})
	}
	good := ticket(srv.URL)
	s, f := open(good, srv.URL)
	if f != nil {
		t.Fatal(f)
	}
	s.Sync()
	s.Alive()
	if _, f := open(good, srv.URL); f == nil || f.Code != fault.TicketInvalid {
		t.Errorf("used twice: %v", f)
	}
	if _, f := open(ticket(srv.URL), "http://127.0.0.1:1"); f == nil || (f.Code != fault.TicketInvalid && f.Code != fault.OriginRefused) {
		t.Errorf("from another origin: %v", f)
	}
	if _, f := open("nonsense", srv.URL); f == nil || f.Code != fault.TicketInvalid {
		t.Errorf("a made-up ticket: %v", f)
	}
	u.Do("POST", "/logout", nil, nil)
	if code, _ := s.Closed(); code != 4500 {
		t.Errorf("the ticket's socket closed with %d", code)
	}
}

func TestTicket_EndsWithItsTimeAndItsDevice(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now))
	u := srv.User(t, "alice")
	var old, gone rest.Ticket
	u.Do("POST", "/ws/ticket", nil, &old)
	clock.Add(31 * time.Second)
	device := u.Device()
	device.Do("POST", "/ws/ticket", nil, &gone)
	u.Do("DELETE", "/devices/"+device.DeviceID, nil, nil)
	for what, ticket := range map[string]string{"old": old.Ticket, "of a removed device": gone.Ticket} {
		_, f := u.Dial(nil, func(h http.Header) {
			h.Del("Authorization")
			h.Set("Sec-Websocket-Protocol", "parley.v1, parley.ticket."+ticket)
		})
		if f == nil || f.Code != fault.TicketInvalid {
			t.Errorf("%s: %v", what, f)
		}
	}
}

func TestSocket_HandshakesThatAreRefused(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	u := srv.User(t, "alice")
	for what, c := range map[string]struct {
		change func(http.Header)
		code   fault.Code
	}{
		"a foreign origin": {func(h http.Header) { h.Set("Origin", "https://evil.example") }, fault.OriginRefused},
		"the null origin":  {func(h http.Header) { h.Set("Origin", "null") }, fault.OriginRefused},
		"no token":         {func(h http.Header) { h.Del("Authorization") }, fault.Unauthenticated},
		"a wrong token":    {func(h http.Header) { h.Set("Authorization", "Bearer nonsense") }, fault.Unauthenticated},
		"a cookie":         {func(h http.Header) { h.Del("Authorization"); h.Set("Cookie", "access_token="+u.AccessToken) }, fault.Unauthenticated},
		"no subprotocol":   {func(h http.Header) { h.Del("Sec-Websocket-Protocol") }, fault.SubprotocolRequired},
		"another subprotocol": {func(h http.Header) {
			h.Set("Sec-Websocket-Protocol", "mqtt")
		}, fault.SubprotocolRequired},
	} {
		if s, f := u.Dial(nil, c.change); f == nil || f.Code != c.code {
			t.Errorf("%s: %v %v, want %s", what, s, f, c.code)
		}
	}
	anonymous := *u
	anonymous.AccessToken = ""
	anonymous.Refused(fault.Unauthenticated, "GET", "/ws?access_token="+u.AccessToken, nil)
	anonymous.Refused(fault.Unauthenticated, "GET", "/devices?access_token="+u.AccessToken, nil)
	u.Refused(fault.SubprotocolRequired, "GET", "/ws", nil)
	if _, f := u.Dial(nil, func(h http.Header) { h.Set("Origin", srv.URL) }); f != nil {
		t.Errorf("the own origin: %v", f)
	}
}

func TestSocket_TheEleventhReplacesTheOldest(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	bystander := us[0].Device().Socket(nil)
	var all []*testenv.Socket
	for range 11 {
		all = append(all, us[0].Socket(nil))
	}
	if code, _ := all[0].Closed(); code != 4001 {
		t.Errorf("the oldest closed with %d", code)
	}
	ack := us[1].Post(conv, "who is there")
	for _, s := range append(all[1:], bystander) {
		s.Received(ack.MessageID)
	}
}

func TestSocket_AStopClosesWith4000AndARestartLosesNothing(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	s := us[1].Socket(nil)
	for i := range 3 {
		us[0].Post(conv, fmt.Sprint(i))
		srv.Restart()
		if code, _ := s.Closed(); code != 4000 {
			t.Errorf("closed with %d", code)
		}
		us[0].Post(conv, fmt.Sprint("again ", i))
		s = us[1].Socket(s.Book)
	}
	check(t, s.Book.Dense(conv, 0, 6))
}

func TestSocket_AClientThatDoesNotReadIsToldToResync(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	slow, fast := us[1].Socket(nil), us[1].Socket(nil)
	resume := slow.Pause()
	big := strings.Repeat("x", 60<<10)
	var last frame.Ack
	for range 120 { // 7 MiB: more than buffers and queue hold.
		last = us[0].Post(conv, big)
	}
	fast.Holds(conv, last.Seq)
	resume()
	var notice frame.ResyncNotice
	slow.Expect(frame.Resync, &notice)
	if notice.Code != string(fault.SlowReader) {
		t.Errorf("resync says %q", notice.Code)
	}
	slow.Send(frame.SendMessage, testenv.Text(conv, "too early"))
	slow.Refused(fault.SyncRequired)
	slow.Sync()
	check(t, us[1].Fill(slow.Book))
	after := us[0].Post(conv, "live again")
	slow.Received(after.MessageID)
	check(t, slow.Book.Dense(conv, 0, after.Seq))
	slow.Alive()
}

func TestSocket_ThatOpensWhileItsDeviceIsRemovedDoesNotStay(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	u := srv.User(t, "alice")
	opened := 0
	for i := range 60 {
		d := u.Device()
		d.Do("GET", "/users/me", nil, nil) // Its token is in the cache.
		var s *testenv.Socket
		var wg sync.WaitGroup
		wg.Go(func() { s, _ = d.Dial(nil, nil) })
		time.Sleep(time.Duration(i%20) * 50 * time.Microsecond) // Every moment of the opening is tried.
		u.Do("DELETE", "/devices/"+d.DeviceID, nil, nil)
		wg.Wait()
		if s == nil {
			continue
		}
		opened++
		if code, took := s.Closed(); code != 4500 || took > soon {
			t.Errorf("closed with %d after %v", code, took)
		}
	}
	t.Logf("%d of 60 opened", opened)
}
