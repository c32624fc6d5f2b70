// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/server/privatepg"
)

// sender sends numbered messages until it is told to stop, each again and again under one tempId until it is acknowledged.
type sender struct {
	acked  atomic.Int64
	refuse atomic.Int64 // answers of unavailable
	other  atomic.Pointer[fault.Error]
	mu     sync.Mutex
	acks   []frame.Ack
}

func (s *sender) run(u *testenv.User, conv string, size int, stop <-chan struct{}) {
	for n := 0; ; n++ {
		m := testenv.Text("", fmt.Sprint(n)+strings.Repeat("x", size))
		for {
			select {
			case <-stop:
				return
			default:
			}
			var ack frame.Ack
			f := u.Call("POST", "/conversations/"+conv+"/messages", m, &ack)
			if f == nil {
				s.mu.Lock()
				s.acks = append(s.acks, ack)
				s.mu.Unlock()
				s.acked.Add(1)
				break
			}
			if f.Code != fault.Unavailable || f.RetryAfter <= 0 {
				s.other.Store(f)
			}
			s.refuse.Add(1)
			time.Sleep(min(f.RetryAfter, 20*time.Millisecond)) // The machine is shared.
		}
	}
}

func TestDatabaseAway_SendsAreUnavailableAndAllResumesByItself(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]testenv.Option{"one": nil, "two": {testenv.TwoDatabases}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := testenv.Start(t, opts...)
			us := srv.Users(t, "alice", "bob")
			alice, bob := us[0], us[1]
			conv := alice.Direct(bob)
			live, writer := bob.Socket(nil), alice.Socket(nil)
			var s sender
			var wg sync.WaitGroup
			stop := make(chan struct{})
			wg.Go(func() { s.run(alice, conv, 0, stop) })
			srv.Until("messages flow", func() bool { return s.acked.Load() > 10 })
			srv.StopDatabase()
			srv.Until("sends are refused", func() bool { return s.refuse.Load() > 5 })
			srv.Until("readiness fails", func() bool { return !srv.Ready() })
			m := testenv.Text(conv, "from the socket")
			writer.Send(frame.SendMessage, m)
			if e := writer.Refused(fault.Unavailable); e.TempID != m.TempID || e.RetryAfterMs <= 0 {
				t.Errorf("on the socket: %+v", e)
			}
			allAway(t, bob, conv)
			if res, err := http.Get(srv.URL + "/healthz"); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("the process is alive: %v %v", res, err)
			} else {
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
			srv.StartDatabase()
			srv.Until("it is ready", srv.Ready)
			before := s.acked.Load()
			srv.Until("messages flow again", func() bool { return s.acked.Load() > before+10 })
			close(stop)
			wg.Wait()
			writer.Send(frame.SendMessage, m)
			s.acks = append(s.acks, writer.Ack(m.TempID))
			verifyAcks(t, alice, conv, s.acks)
			last := alice.Post(conv, "the end")
			live.Received(last.MessageID)
			check(t, bob.Fill(live.Book))
			check(t, live.Book.Dense(conv, 0, last.Seq))
			if f := s.other.Load(); f != nil {
				t.Errorf("a send was answered %v (retry after %v)", f, f.RetryAfter)
			}
		})
	}
}

// allAway makes one request of each kind: none may be anything but unavailable.
func allAway(t *testing.T, u *testenv.User, conv string) {
	t.Helper()
	s := u.With(t)
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/conversations", nil}, {"GET", "/conversations/" + conv + "/messages", nil}, {"GET", "/sync", nil},
		{"GET", "/devices", nil}, {"GET", "/users/me", nil}, {"GET", "/users/alice@localhost", nil}, {"POST", "/ws/ticket", nil},
		{"POST", "/login", rest.Login{Username: "bob", Password: testenv.Password}},
		{"POST", "/register", rest.Register{Username: "carol", Password: testenv.Password}},
		{"POST", "/refresh", map[string]string{"refreshToken": u.RefreshToken}},
		{"POST", "/conversations", rest.CreateConversation{Type: "group", Name: "x", Members: []string{}}},
		{"POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{"alice@localhost"}}},
		{"POST", "/conversations/" + conv + "/messages", testenv.Text("", "x")},
	} {
		if f := s.Call(r.method, r.path, r.body, nil); f != nil && (f.Code != fault.Unavailable || f.RetryAfter <= 0) {
			t.Errorf("%s %s: %v, retry after %v", r.method, r.path, f, f.RetryAfter)
		}
	}
}

func verifyAcks(t *testing.T, u *testenv.User, conv string, acks []frame.Ack) {
	t.Helper()
	at := map[int64]frame.Event{}
	for _, e := range u.History(conv) {
		at[e.Seq] = e
	}
	seen := map[string]bool{}
	for _, e := range at {
		if e.TempID != "" && seen[e.TempID] {
			t.Errorf("tempId %s is twice in the log", e.TempID)
		}
		seen[e.TempID] = true
	}
	for _, a := range acks {
		if e := at[a.Seq]; e.MessageID != a.MessageID || e.TempID != a.TempID {
			t.Errorf("acknowledged %+v, the log has %+v", a, e)
		}
	}
}

func TestDatabaseAway_IsNoticedBySilentServersAndSurvived(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	live := us[1].Socket(nil)
	live.Received(us[0].Post(conv, "before").MessageID)
	srv.StopDatabase()
	srv.Until("the timeline knows", func() bool { return srv.Gauge("parley_timeline_ready") == 0 })
	us[0].Refused(fault.Unavailable, "POST", "/conversations/"+conv+"/messages", testenv.Text("", "x"))
	srv.StartDatabase()
	srv.Until("it is ready", srv.Ready)
	live.Received(us[0].Post(conv, "after").MessageID)
	check(t, live.Book.Dense(conv, 0, 2))
}

// TestDiskFull uses a real full disk where the machine lets us mount one, and says so where it does not.
func TestDiskFull_RefusesAndResumes(t *testing.T) {
	t.Parallel()
	if dir, ok := smallDisk(t); ok {
		testFullDisk(t, dir)
		return
	}
	t.Log("NO REAL FULL DISK HERE (mounting a tmpfs is not allowed): PostgreSQL raises SQLSTATE 53100 by a trigger instead")
	srv := testenv.Start(t)
	testFull(t, srv, func() {
		srv.Exec(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`,
			`CREATE TRIGGER full_disk BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION full_disk()`)
	}, func() { srv.Exec(`DROP TRIGGER full_disk ON events`) })
}

// smallDisk mounts a tmpfs of 160 MiB until the test ends, if the machine allows it.
func smallDisk(t *testing.T) (string, bool) {
	t.Helper()
	dir, err := os.MkdirTemp("", "parley-small-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "parley-test", dir).CombinedOutput(); err != nil {
		t.Logf("mount: %v %s", err, out)
		return "", false
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir, true
}

func testFullDisk(t *testing.T, dir string) {
	cluster, err := privatepg.Open(t.Context(), privatepg.Options{Dir: filepath.Join(dir, "postgres"), Settings: map[string]string{
		"min_wal_size": "32MB", "max_wal_size": "32MB", "shared_buffers": "16MB", "wal_recycle": "off",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Close() })
	srv := testenv.Start(t, testenv.UseDatabase(cluster.DSN()))
	ballast := filepath.Join(dir, "ballast")
	testFull(t, srv, func() { fill(t, ballast) }, func() { check(t, os.Remove(ballast)) })
}

// fill writes zeros until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 4096; size /= 2 {
		for block := make([]byte, size); err == nil; {
			_, err = f.Write(block)
		}
		err = nil
	}
}

func testFull(t *testing.T, srv *testenv.Server, full, free func()) {
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	live := bob.Socket(nil)
	alice.Post(conv, "before")
	full()
	var s sender
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() { s.run(alice, conv, 30<<10, stop) })
	}
	srv.Until("sends are refused", func() bool { return s.refuse.Load() >= 8 })
	free()
	srv.Until("it is ready", srv.Ready)
	before := s.acked.Load()
	srv.Until("messages flow again", func() bool { return s.acked.Load() > before+10 })
	close(stop)
	wg.Wait()
	if f := s.other.Load(); f != nil {
		t.Errorf("a send was answered %v", f)
	}
	verifyAcks(t, alice, conv, s.acks)
	last := alice.Post(conv, "the end")
	live.Received(last.MessageID)
	check(t, bob.Fill(live.Book))
	check(t, live.Book.Dense(conv, 0, last.Seq))
}
