// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func proof() rest.Deactivate { return rest.Deactivate{Password: testenv.Password} }

// export fetches an archive and returns its files.
func export(t *testing.T, u *testenv.User) map[string]string {
	t.Helper()
	req, err := u.Request(t.Context(), "POST", "/users/me/export", proof())
	check(t, err)
	res, err := u.Raw(req)
	check(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	check(t, err)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/zip" {
		t.Fatalf("status %d, %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	check(t, err)
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		check(t, err)
		text, err := io.ReadAll(r)
		check(t, err)
		files[f.Name] = string(text)
	}
	return files
}

func lines(t *testing.T, text string) []frame.Event {
	t.Helper()
	var out []frame.Event
	s := bufio.NewScanner(strings.NewReader(text))
	for s.Scan() {
		var e frame.Event
		check(t, json.Unmarshal(s.Bytes(), &e))
		out = append(out, e)
	}
	return out
}

func TestExport_HoldsWhatThePagesShow(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, testenv.TwoDatabases)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	direct, group := alice.Direct(bob), bob.Group("Team", alice)
	first := alice.Post(direct, "hello <b>")
	bob.Post(direct, "hi")
	alice.Do("PATCH", "/conversations/"+direct+"/messages/"+first.MessageID, rest.EditMessage{Content: "hello"}, nil)
	bob.Do("DELETE", "/conversations/"+group+"/members/"+alice.ID, nil, nil)
	bob.Post(group, "without alice")
	alice.Do("PUT", "/users/me/data/theme", rest.Datum{Value: json.RawMessage(`{"dark":true}`)}, nil)
	alice.Do("PUT", "/users/me/blocks/carol@localhost", nil, nil)
	alice.Do("PUT", "/conversations/"+direct+"/messages/"+first.MessageID+"/star", nil, nil)
	reportOf(alice, rest.CreateReport{UserID: bob.ID, Reason: "spam", Text: "every day"})
	files := export(t, alice)
	for _, conv := range []string{direct, group} {
		dir := "conversations/" + conv + "/"
		if diff := cmp.Diff(alice.History(conv), lines(t, files[dir+"messages.jsonl"])); diff != "" {
			t.Errorf("messages of %s: %s", conv, diff)
		}
		var c frame.Conversation
		check(t, json.Unmarshal([]byte(files[dir+"conversation.json"]), &c))
		if diff := cmp.Diff(alice.Get(conv), c); diff != "" {
			t.Errorf("%s: %s", conv, diff)
		}
	}
	for name, want := range map[string]string{
		"README.txt": "alice@localhost", "profile.json": `"userId":"alice@localhost"`, "devices.json": alice.DeviceID, "settings.json": "readReceipts",
		"blocks.json": "carol@localhost", "data/7468656d65.json": `"dark":true`, "reports.json": "every day",
		"starred.jsonl": first.MessageID,
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s is %q, want %s in it", name, files[name], want)
		}
	}
	all := fmt.Sprint(files)
	for _, secret := range []string{"without alice", alice.AccessToken, alice.RefreshToken, "argon2"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in the archive", secret)
		}
	}
	alice.Refused(fault.WrongCredentials, "POST", "/users/me/export", rest.Deactivate{Password: "not the password"})
	alice.Refused(fault.InvalidField, "POST", "/users/me/export", rest.Deactivate{})
}

func TestExport_OfALongConversationIsStreamedOneAtATime(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	const many, size = 300, 60_000
	s := alice.Socket(nil)
	text := strings.Repeat("0123456789", size/10)
	for range many {
		s.Text(conv, text)
	}
	s.Drop()
	req, err := bob.Request(t.Context(), "POST", "/users/me/export", proof())
	check(t, err)
	res, err := http.DefaultClient.Do(req) // Past the guard, which would hold it all.
	check(t, err)
	defer res.Body.Close()
	begin := make([]byte, 1)
	_, err = io.ReadFull(res.Body, begin)
	check(t, err)
	if f := bob.Call("POST", "/users/me/export", proof(), nil); f != nil && f.Code != fault.RateLimited {
		t.Errorf("a second one: %v", f)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, err := io.Copy(io.Discard, res.Body)
	check(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > many*size/3 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if n == 0 {
		t.Error("nothing came")
	}
	srv.Until("the next export may run", func() bool {
		return bob.Call("POST", "/users/me/export", rest.Deactivate{Password: "not the password"}, nil).Code == fault.WrongCredentials
	})
}
