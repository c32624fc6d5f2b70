// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/account"
	"parley.chat/core/account/accounttest"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

// accountDatabase has the tables and partitions of all shards.
var accountDatabase = pgtest.NewTemplate(func(ctx context.Context, dsn string) error {
	s, err := store.Open(ctx, accounttest.Shards, []store.Database{{DSN: dsn, Shards: []id.Shard{0, 1, 2, 3}}})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Migrate(ctx)
})

// openAccounts spreads the shards over two databases, so that nothing can lean on there being one.
func openAccounts(t *testing.T) (*store.Store, []string) {
	t.Helper()
	dsns := []string{accountDatabase.New(t), accountDatabase.New(t)}
	s, err := store.Open(t.Context(), accounttest.Shards, []store.Database{
		{DSN: dsns[0], Shards: []id.Shard{0, 3}}, {DSN: dsns[1], Shards: []id.Shard{1, 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, dsns
}

// TestAccounts_InPostgreSQL empties the tables between tests, which is many times faster than a database for each.
func TestAccounts_InPostgreSQL(t *testing.T) {
	s, dsns := openAccounts(t)
	accounttest.Run(t, func(t *testing.T) account.Store {
		for _, dsn := range dsns {
			emptyAccounts(t, dsn)
		}
		return s
	})
}

func emptyAccounts(t *testing.T, dsn string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, table := range []string{"users", "devices", "spent_tokens", "phone_numbers", "registration_tokens"} {
		if _, err := conn.Exec(t.Context(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAccounts_RowsStayInTheirShard(t *testing.T) {
	s, dsns := openAccounts(t)
	r := accounttest.NewRoom(s, nil)
	for _, name := range []string{"alice", "bob", "carol", "dave", "erin", "frank"} {
		session := r.Register(t, name)
		next := r.Refresh(t, session.Refresh)
		if _, err := r.Authenticate(t.Context(), next.Access); err != nil {
			t.Fatal(err)
		}
	}
	for i, dsn := range dsns {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		for _, table := range []string{"users", "devices", "spent_tokens"} {
			var rows, foreign int
			err := conn.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE (shard IN (1, 2)) <> $1) FROM "+table, i == 1).Scan(&rows, &foreign)
			if err != nil || rows == 0 || foreign != 0 {
				t.Errorf("%s of database %d: %d rows, %d of other shards, %v", table, i, rows, foreign, err)
			}
		}
	}
}

func TestAccounts_TokensAreStoredAsHashesOnly(t *testing.T) {
	s, dsns := openAccounts(t)
	r := accounttest.NewRoom(s, nil)
	session := r.Register(t, "alice")
	next := r.Refresh(t, session.Refresh)
	ticket, _, err := r.NewTicket(t.Context(), session.Caller, "")
	if err != nil {
		t.Fatal(err)
	}
	var dump strings.Builder
	for _, dsn := range dsns {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		for _, table := range []string{"users", "devices", "spent_tokens"} {
			rows, err := conn.Query(t.Context(), "SELECT t::text FROM "+table+" t")
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			dump.WriteString(strings.Join(lines, "\n"))
		}
	}
	for _, secret := range []string{session.Access, session.Refresh, next.Access, next.Refresh, ticket} {
		if strings.Contains(dump.String(), secret[3:]) || strings.Contains(dump.String(), hex.EncodeToString([]byte(secret))) {
			t.Errorf("a token is stored in clear: %s", dump.String())
		}
	}
	if hash := sha256.Sum256([]byte(next.Access)); !strings.Contains(dump.String(), hex.EncodeToString(hash[:])) {
		t.Error("the dump does not show the hash: this test sees nothing")
	}
}

func TestAccounts_DatabaseAwayIsNoAnswer(t *testing.T) {
	s, _ := openAccounts(t)
	r := accounttest.NewRoom(s, nil)
	session := r.Register(t, "alice")
	s.Close()
	for what, err := range map[string]error{
		"find user":      second(s.FindUser(t.Context(), session.User)),
		"authenticate":   second(r.Authenticate(t.Context(), session.Access)),
		"refresh":        second(r.Accounts.Refresh(t.Context(), session.Refresh)),
		"devices":        second(r.Devices(t.Context(), session.User)),
		"redeem ticket":  second(r.RedeemTicket(t.Context(), "pk_"+session.Access[3:], "")),
		"delete device":  r.RemoveDevice(t.Context(), session.User, session.Device),
		"touch devices":  s.TouchDevices(t.Context(), map[account.Caller]int64{session.Caller: 1}),
		"sweep":          s.Sweep(t.Context(), 1),
		"release number": s.ReleasePhone(t.Context(), "+1", session.User, 0),
	} {
		if err == nil || fault.From(err).Code != fault.Internal || errors.Is(err, account.ErrNotFound) {
			t.Errorf("%s without a database: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTouchDevices_NeverWaitsForALock(t *testing.T) {
	s, dsns := openAccounts(t)
	r := accounttest.NewRoom(s, nil)
	locked, free := r.Register(t, "alice"), r.Login(t, "alice")
	for _, dsn := range dsns {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(t.Context()) }()
		if _, err := tx.Exec(t.Context(), "SELECT FROM devices WHERE device_id = $1 FOR UPDATE", locked.Device); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	later := r.Clock.Now().Add(time.Hour).UnixMilli()
	if err := s.TouchDevices(ctx, map[account.Caller]int64{locked.Caller: later, free.Caller: later}); err != nil {
		t.Fatal(err)
	}
	list, err := s.ListDevices(ctx, free.User)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, d := range list {
		if (d.LastSeenAt == later) != (d.ID == free.Device) {
			t.Errorf("%+v", d)
		}
	}
}
