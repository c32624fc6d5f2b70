// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/clientapi/op"
	"parley.chat/clientapi/rest"
	"parley.chat/core/account"
	"parley.chat/core/account/accounttest"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/rest"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var tables = pgtest.NewTemplate(func(ctx context.Context, dsn string) error {
	s, err := openStore(ctx, dsn)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Migrate(ctx)
})

func openStore(ctx context.Context, dsn string) (*store.Store, error) {
	return store.Open(ctx, 2, []store.Database{{DSN: dsn, Shards: []id.Shard{0, 1}}})
}

// server is the account routes on a real store.
type server struct {
	*room
	accounts *account.Accounts
	clock    *accounttest.Clock
	revoked  *accounttest.Revocations
}

var unlimited = account.Rate{Count: -1}

func newServer(t testing.TB, edit func(*account.Config)) *server {
	t.Helper()
	s, err := openStore(t.Context(), tables.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return serverOn(s, account.NewArgon2(account.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}, 4, time.Minute), edit)
}

func serverOn(s account.Store, h account.Hasher, edit func(*account.Config)) *server {
	out := &server{clock: accounttest.NewClock(), revoked: &accounttest.Revocations{}}
	cfg := account.Config{Server: "localhost", Shards: 2, Mode: account.Open, Now: out.clock.Now}
	cfg.Limits = account.Limits{LoginPerAccount: unlimited, LoginEverywhere: unlimited, LoginPerAddress: unlimited, RegisterPerAddress: unlimited, TicketsPerDevice: unlimited, PhonesPerAccount: unlimited}
	if edit != nil {
		edit(&cfg)
	}
	out.accounts = account.New(cfg, s, h, out.revoked)
	ops := op.NewAccounts(out.accounts)
	out.room = &room{handler: rest.New(rest.Config{Auth: ops, Routes: rest.AccountRoutes(ops), Log: slog.New(slog.DiscardHandler)})}
	return out
}

// as sends a request with the session's access token.
func (s *server) as(session wire.Session, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	return s.do(method, path, body, append(headers, "Authorization", "Bearer "+session.AccessToken)...)
}

func into[T any](t testing.TB, w *httptest.ResponseRecorder, status int) (out T) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

const password = accounttest.Password

func (s *server) register(t testing.TB, name string) wire.Session {
	t.Helper()
	return into[wire.Session](t, s.do("POST", "/api/v1/register", `{"username":"`+name+`","password":"`+password+`"}`), 201)
}

func (s *server) login(t testing.TB, name string) wire.Session {
	t.Helper()
	return into[wire.Session](t, s.do("POST", "/api/v1/login", `{"username":"`+name+`","password":"`+password+`"}`), 200)
}

func refreshBody(s wire.Session) string { return `{"refreshToken":"` + s.RefreshToken + `"}` }

func TestAccountRoutes_NeedATokenButForThree(t *testing.T) {
	s := newServer(t, nil)
	open := map[string]bool{"/api/v1/register": true, "/api/v1/login": true, "/api/v1/refresh": true}
	for _, rt := range rest.AccountRoutes(nil) {
		if rt.Auth == open[rt.Path] {
			t.Errorf("%s: auth is %v", rt.Path, rt.Auth)
		}
		path := strings.NewReplacer("{deviceId}", "x", "{userId}", "y").Replace(rt.Path)
		w := s.do(rt.Method, path, `{}`, "Authorization", "Bearer pa_unknown")
		if rt.Auth {
			wantProblem(t, w, fault.Unauthenticated, "")
			continue
		}
		if w.Code == 401 && !strings.Contains(w.Body.String(), "refreshToken") {
			t.Errorf("%s: %s", rt.Path, w.Body)
		}
		wantProblem(t, s.do(rt.Method, path, `{"username":1,"refreshToken":1}`), fault.InvalidField, map[bool]string{true: "refreshToken", false: "username"}[rt.Path == "/api/v1/refresh"])
		wantProblem(t, s.do(rt.Method, path, `{"a":`), fault.MalformedJSON, "")
	}
}

func TestRegister_GoldenPathAndFaults(t *testing.T) {
	s := newServer(t, nil)
	w := s.do("POST", "/api/v1/register", `{"username":"Alice","password":"`+password+`","displayName":"Alice A.","deviceName":"laptop","phoneNumber":"+16502530000"}`)
	session := into[wire.Session](t, w, 201)
	if session.UserID != "alice@localhost" || session.ExpiresIn != 600 {
		t.Errorf("%+v", session)
	}
	if _, err := id.ParseDevice(session.DeviceID); err != nil {
		t.Error(err)
	}
	me := into[wire.Profile](t, s.as(session, "GET", "/api/v1/users/me", ""), 200)
	want := wire.Profile{UserID: "alice@localhost", DisplayName: "Alice A.", PhoneNumber: "+16502530000", CreatedAt: s.clock.Now().UnixMilli()}
	if diff := cmp.Diff(want, me); diff != "" {
		t.Error(diff)
	}
	try := func(body string) *httptest.ResponseRecorder { return s.do("POST", "/api/v1/register", body) }
	for body, field := range map[string]string{
		`{}`: "username", `{"username":"a b"}`: "username", `{"username":"bob"}`: "password", `{"username":"bob","password":"short"}`: "password",
		`{"username":"bob","password":"long enough","phoneNumber":"0123"}`:                             "phoneNumber",
		`{"username":"bob","password":"long enough","displayName":"` + strings.Repeat("x", 257) + `"}`: "displayName",
		`{"username":"bob","password":"long enough","displayName":"a\u0000b"}`:                         "displayName",
		`{"username":"bob","password":"long enough","deviceName":"a\nb"}`:                              "deviceName",
		`{"username":["bob"]}`: "username",
	} {
		wantProblem(t, try(body), fault.InvalidField, field)
	}
	wantProblem(t, try(`{"username":"admin","password":"long enough"}`), fault.UsernameReserved, "")
	wantProblem(t, try(`{"username":"ALICE","password":"long enough"}`), fault.UsernameTaken, "")
	wantProblem(t, try(`{"username":"bob","password":"long enough","phoneNumber":"+1 650 253 0000"}`), fault.PhoneNumberTaken, "")
	s.register(t, "bob")
}

func TestRegister_ModesAndLimit(t *testing.T) {
	body := `{"username":"alice","password":"` + password + `","registrationToken":"pt_wrong"}`
	s := newServer(t, func(c *account.Config) { c.Mode = account.Closed })
	wantProblem(t, s.do("POST", "/api/v1/register", body), fault.RegistrationClosed, "")
	s = newServer(t, func(c *account.Config) { c.Mode = account.Token })
	wantProblem(t, s.do("POST", "/api/v1/register", body), fault.RegistrationTokenInvalid, "")
	token, err := s.accounts.NewRegistrationToken(t.Context(), 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	into[wire.Session](t, s.do("POST", "/api/v1/register", strings.Replace(body, "pt_wrong", token, 1)), 201)

	s = newServer(t, func(c *account.Config) { c.Limits.RegisterPerAddress = account.Rate{} })
	for i := range 20 { // httptest's requests come from 192.0.2.1.
		s.register(t, fmt.Sprint("u", i))
	}
	w := s.do("POST", "/api/v1/register", `{"username":"u20","password":"`+password+`"}`)
	if p := wantProblem(t, w, fault.RateLimited, ""); p.RetryAfterMs != 180_000 || w.Header().Get("Retry-After") != "180" {
		t.Errorf("retry after %d ms, %s s", p.RetryAfterMs, w.Header().Get("Retry-After"))
	}
}

func TestLogin_GoldenPathAndFaults(t *testing.T) {
	s := newServer(t, func(c *account.Config) { c.Limits.LoginPerAccount = account.Rate{Count: 8, Per: time.Minute} })
	first := s.register(t, "alice")
	try := func(body string) *httptest.ResponseRecorder { return s.do("POST", "/api/v1/login", body) }
	kept := into[wire.Session](t, try(`{"username":"alice@localhost","password":"`+password+`","deviceId":"`+first.DeviceID+`","deviceName":"laptop"}`), 200)
	if kept.DeviceID != first.DeviceID || kept.UserID != first.UserID || kept.AccessToken == first.AccessToken {
		t.Errorf("%+v", kept)
	}
	wantProblem(t, s.as(first, "GET", "/api/v1/users/me", ""), fault.Unauthenticated, "")
	into[wire.Profile](t, s.as(kept, "GET", "/api/v1/users/me", ""), 200)
	for body, field := range map[string]string{
		`{}`: "username", `{"username":"alice","password":"x","deviceId":"x"}`: "deviceId", `{"username":"alice","password":"x","deviceName":"\u0001"}`: "deviceName",
		`{"username":"alice","password":"` + strings.Repeat("x", 257) + `"}`: "password", `{"username":"alice","password":7}`: "password",
	} {
		wantProblem(t, try(body), fault.InvalidField, field)
	}
	for _, body := range []string{`{"username":"alice"}`, `{"username":"alice","password":"wrong"}`, `{"username":"nobody-here","password":"wrong"}`, `{"username":"alice@b.example","password":"` + password + `"}`} {
		w := try(body)
		wantProblem(t, w, fault.WrongCredentials, "")
		if w.Header().Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate on 401")
		}
	}
	for range 20 {
		if w := try(`{"username":"alice","password":"wrong"}`); w.Code != 401 {
			wantProblem(t, w, fault.RateLimited, "")
			return
		}
	}
	t.Error("guessing is not limited")
}

func TestRefresh_GoldenPathAndReuse(t *testing.T) {
	s := newServer(t, nil)
	first := s.register(t, "alice")
	second := into[wire.Session](t, s.do("POST", "/api/v1/refresh", refreshBody(first)), 200)
	into[wire.Profile](t, s.as(first, "GET", "/api/v1/users/me", ""), 200)
	into[wire.Profile](t, s.as(second, "GET", "/api/v1/users/me", ""), 200)
	wantProblem(t, s.as(first, "GET", "/api/v1/users/me", ""), fault.Unauthenticated, "")
	s.clock.Advance(10 * time.Minute)
	wantProblem(t, s.as(second, "GET", "/api/v1/users/me", ""), fault.TokenExpired, "")
	third := into[wire.Session](t, s.do("POST", "/api/v1/refresh", refreshBody(second)), 200)
	wantProblem(t, s.do("POST", "/api/v1/refresh", refreshBody(first)), fault.RefreshInvalid, "")
	wantProblem(t, s.as(third, "GET", "/api/v1/users/me", ""), fault.Unauthenticated, "")
	if !s.revoked.Told("alice@localhost", id.Device(first.DeviceID)) {
		t.Error("sockets stay open after reuse")
	}
	wantProblem(t, s.do("POST", "/api/v1/refresh", `{}`), fault.InvalidField, "refreshToken")
	wantProblem(t, s.do("POST", "/api/v1/refresh", `{"refreshToken":"pr_x"}`), fault.RefreshInvalid, "")
}

func TestRefresh_ManyAtOnce(t *testing.T) {
	s := newServer(t, nil)
	first := s.register(t, "alice")
	out := make([]wire.Session, 8)
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() {
			_ = json.Unmarshal(s.do("POST", "/api/v1/refresh", refreshBody(first)).Body.Bytes(), &out[i])
		})
	}
	wg.Wait()
	good := 0
	for _, session := range out {
		if session.AccessToken == "" {
			t.Error("a refresh within the grace was refused")
		}
		if s.as(session, "GET", "/api/v1/users/me", "").Code == 200 {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d pairs are good", good)
	}
}

func TestDevices_ListRemoveLogout(t *testing.T) {
	s := newServer(t, nil)
	a := s.register(t, "alice")
	s.clock.Advance(time.Second)
	b, bob := s.login(t, "alice"), s.register(t, "bob")
	list := into[wire.Devices](t, s.as(b, "GET", "/api/v1/devices", ""), 200).Devices
	if len(list) != 2 || list[0].DeviceID != a.DeviceID || list[0].IsCurrent || !list[1].IsCurrent || list[1].CreatedAt != s.clock.Now().UnixMilli() {
		t.Errorf("%+v", list)
	}
	into[wire.Profile](t, s.as(a, "GET", "/api/v1/users/me", ""), 200)
	wantBody(t, s.as(b, "DELETE", "/api/v1/devices/"+a.DeviceID, ""), 204, "")
	if !s.revoked.Told("alice@localhost", id.Device(a.DeviceID)) {
		t.Error("the removed device was not told")
	}
	wantProblem(t, s.as(a, "GET", "/api/v1/users/me", ""), fault.Unauthenticated, "")
	wantProblem(t, s.as(b, "DELETE", "/api/v1/devices/"+a.DeviceID, ""), fault.UnknownDevice, "")
	wantProblem(t, s.as(b, "DELETE", "/api/v1/devices/"+bob.DeviceID, ""), fault.UnknownDevice, "")
	wantProblem(t, s.as(b, "DELETE", "/api/v1/devices/x", ""), fault.InvalidField, "deviceId")
	wantBody(t, s.as(b, "POST", "/api/v1/logout", ""), 204, "")
	wantProblem(t, s.as(b, "POST", "/api/v1/logout", ""), fault.Unauthenticated, "")
	wantProblem(t, s.do("POST", "/api/v1/refresh", refreshBody(b)), fault.RefreshInvalid, "")
	into[wire.Profile](t, s.as(bob, "GET", "/api/v1/users/me", ""), 200)
}

func TestPassword_ChangeRevokes(t *testing.T) {
	s := newServer(t, nil)
	a, b := s.register(t, "alice"), s.login(t, "alice")
	change := func(body string) *httptest.ResponseRecorder {
		return s.as(a, "POST", "/api/v1/users/me/password", body)
	}
	wantProblem(t, change(`{"currentPassword":"wrong one","newPassword":"second password"}`), fault.WrongCredentials, "")
	wantProblem(t, change(`{"currentPassword":"`+password+`","newPassword":"short"}`), fault.InvalidField, "newPassword")
	wantProblem(t, change(`{"currentPassword":"`+strings.Repeat("x", 300)+`","newPassword":"second password"}`), fault.InvalidField, "currentPassword")
	wantProblem(t, change(`{"keepDevices":"yes"}`), fault.InvalidField, "keepDevices")
	into[wire.Profile](t, s.as(b, "GET", "/api/v1/users/me", ""), 200)
	wantBody(t, change(`{"currentPassword":"`+password+`","newPassword":"second password"}`), 204, "")
	wantProblem(t, s.as(b, "GET", "/api/v1/users/me", ""), fault.Unauthenticated, "")
	wantProblem(t, s.do("POST", "/api/v1/refresh", refreshBody(b)), fault.RefreshInvalid, "")
	wantProblem(t, s.do("POST", "/api/v1/login", `{"username":"alice","password":"`+password+`"}`), fault.WrongCredentials, "")
	c := into[wire.Session](t, s.do("POST", "/api/v1/login", `{"username":"alice","password":"second password"}`), 200)
	wantBody(t, change(`{"currentPassword":"second password","newPassword":"third password","keepDevices":true}`), 204, "")
	into[wire.Profile](t, s.as(c, "GET", "/api/v1/users/me", ""), 200)
}

func TestDeactivate_NameIsNotReusable(t *testing.T) {
	s := newServer(t, nil)
	a, bob := s.register(t, "alice"), s.register(t, "bob")
	wantProblem(t, s.as(a, "POST", "/api/v1/users/me/deactivate", `{"password":"wrong one"}`), fault.WrongCredentials, "")
	wantBody(t, s.as(a, "POST", "/api/v1/users/me/deactivate", `{"password":"`+password+`"}`), 204, "")
	wantProblem(t, s.as(a, "GET", "/api/v1/users/me", ""), fault.Unauthenticated, "")
	wantProblem(t, s.do("POST", "/api/v1/login", `{"username":"alice","password":"`+password+`"}`), fault.WrongCredentials, "")
	wantProblem(t, s.do("POST", "/api/v1/register", `{"username":"alice","password":"`+password+`"}`), fault.UsernameTaken, "")
	wantProblem(t, s.as(bob, "GET", "/api/v1/users/alice@localhost", ""), fault.UnknownUser, "")
	if !s.revoked.Told("alice@localhost", "") {
		t.Error("sockets stay open")
	}
}

func TestProfile_OfMeAndOfOthers(t *testing.T) {
	s := newServer(t, nil)
	a, bob := s.register(t, "alice"), s.register(t, "bob")
	edit := func(body string) *httptest.ResponseRecorder { return s.as(a, "PUT", "/api/v1/users/me", body) }
	me := into[wire.Profile](t, edit(`{"displayName":"Alice ☃","avatarUrl":"https://cdn.example/a.png","phoneNumber":"+16502530000"}`), 200)
	want := wire.Profile{UserID: "alice@localhost", DisplayName: "Alice ☃", AvatarURL: "https://cdn.example/a.png", PhoneNumber: "+16502530000", CreatedAt: me.CreatedAt}
	if diff := cmp.Diff(want, me); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"alice@localhost", "alice%40localhost"} {
		seen := into[wire.Profile](t, s.as(bob, "GET", "/api/v1/users/"+path, ""), 200)
		want.PhoneNumber = ""
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Error(diff)
		}
	}
	me = into[wire.Profile](t, edit(`{"displayName":"","avatarUrl":"/media/1"}`), 200)
	if me.DisplayName != "alice" || me.AvatarURL != "/media/1" || me.PhoneNumber != "+16502530000" {
		t.Errorf("%+v", me)
	}
	me = into[wire.Profile](t, edit(`{"avatarUrl":"","phoneNumber":""}`), 200)
	if me.AvatarURL != "" || me.PhoneNumber != "" {
		t.Errorf("%+v", me)
	}
	for body, field := range map[string]string{
		`{"displayName":"a\u007fb"}`: "displayName", `{"displayName":7}`: "displayName", `{"avatarUrl":"javascript:alert(1)"}`: "avatarUrl",
		`{"avatarUrl":"//evil.example"}`: "avatarUrl", `{"avatarUrl":"/\\evil.example"}`: "avatarUrl", `{"avatarUrl":"https://u:p@x.example/"}`: "avatarUrl",
		`{"avatarUrl":"https:///x"}`: "avatarUrl", `{"avatarUrl":"/` + strings.Repeat("x", 2048) + `"}`: "avatarUrl", `{"phoneNumber":"1"}`: "phoneNumber",
	} {
		wantProblem(t, edit(body), fault.InvalidField, field)
	}
	into[wire.Profile](t, s.as(bob, "PUT", "/api/v1/users/me", `{"phoneNumber":"+16502530000"}`), 200)
	wantProblem(t, edit(`{"phoneNumber":"+16502530000"}`), fault.PhoneNumberTaken, "")
	wantProblem(t, s.as(bob, "GET", "/api/v1/users/carol@localhost", ""), fault.UnknownUser, "")
	wantProblem(t, s.as(bob, "GET", "/api/v1/users/alice@b.example", ""), fault.UnknownUser, "")
	wantProblem(t, s.as(bob, "GET", "/api/v1/users/alice", ""), fault.InvalidField, "userId")
	wantProblem(t, s.as(bob, "GET", "/api/v1/users/%00%FF", ""), fault.InvalidField, "userId")
}

func TestTicket_IsBoundToDeviceAndOrigin(t *testing.T) {
	s := newServer(t, func(c *account.Config) { c.Limits.TicketsPerDevice = account.Rate{Count: 2, Per: time.Minute} })
	a := s.register(t, "alice")
	ticket := into[wire.Ticket](t, s.as(a, "POST", "/api/v1/ws/ticket", "", "Origin", "https://app.example"), 200)
	if ticket.ExpiresIn != 30 || !strings.HasPrefix(ticket.Ticket, "pk_") || strings.Trim(ticket.Ticket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		t.Errorf("%+v does not fit a subprotocol", ticket)
	}
	ops := op.NewAccounts(s.accounts)
	if c, err := ops.RedeemTicket(t.Context(), ticket.Ticket, "https://app.example"); err != nil || string(c.User) != a.UserID || string(c.Device) != a.DeviceID {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := ops.RedeemTicket(t.Context(), ticket.Ticket, "https://app.example"); !fault.Is(err, fault.TicketInvalid) {
		t.Errorf("the second time: %v", err)
	}
	wantProblem(t, s.as(a, "POST", "/api/v1/ws/ticket", "", "Origin", "a\xff"), fault.InvalidField, "origin")
	wantProblem(t, s.as(a, "POST", "/api/v1/ws/ticket", "", "Origin", strings.Repeat("x", 600)), fault.InvalidField, "origin")
	into[wire.Ticket](t, s.as(a, "POST", "/api/v1/ws/ticket", ""), 200)
	wantProblem(t, s.as(a, "POST", "/api/v1/ws/ticket", ""), fault.RateLimited, "")
}

func TestLogin_BurstIsBounded(t *testing.T) {
	const burst, slots, memory = 50, 2, 19 << 10
	s := serverOn(accounttest.NewMemory(), account.NewArgon2(account.Cost{MemoryKiB: memory, Passes: 2, Lanes: 1}, slots, 50*time.Millisecond), nil)
	s.register(t, "alice")
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	status := make([]*httptest.ResponseRecorder, burst)
	var wg sync.WaitGroup
	for i := range burst {
		wg.Go(func() {
			status[i] = s.do("POST", "/api/v1/login", `{"username":"alice","password":"`+password+`"}`)
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	count := map[int]int{}
	for _, w := range status {
		count[w.Code]++
		if w.Code != 200 {
			wantProblem(t, w, fault.RateLimited, "")
		}
	}
	if count[200] == 0 || count[429] == 0 {
		t.Errorf("statuses %v", count)
	}
	if grown := (int64(after.HeapSys) - int64(before.HeapSys)) >> 10; grown > burst*memory/2 {
		t.Errorf("the heap grew by %d KiB; %d slots of %d KiB were allowed", grown, slots, memory)
	}
}

func TestDatabaseAway_IsUnavailableAndHeals(t *testing.T) {
	store := &flaky{Memory: accounttest.NewMemory()}
	s := serverOn(store, account.NewArgon2(account.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}, 4, 0), nil)
	ops := op.NewAccounts(s.accounts)
	s.handler = rest.New(rest.Config{Auth: ops, Routes: rest.AccountRoutes(ops), Log: slog.New(slog.DiscardHandler), Away: func(err error) bool { return err == errAway }})
	a := s.register(t, "alice")
	store.err = errAway
	w := s.as(a, "GET", "/api/v1/users/me", "")
	wantProblem(t, w, fault.Unavailable, "")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	store.err = nil
	into[wire.Profile](t, s.as(a, "GET", "/api/v1/users/me", ""), 200)
}

type flaky struct {
	*accounttest.Memory
	err error
}

func (f *flaky) FindAccess(ctx context.Context, n id.Shard, h account.Hash) (account.Holder, error) {
	if f.err != nil {
		return account.Holder{}, f.err
	}
	return f.Memory.FindAccess(ctx, n, h)
}
