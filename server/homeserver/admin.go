// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
	"parley.chat/server/config"
	"parley.chat/server/privatepg"
	"parley.chat/store"
)

// Operator is who acted, in the record of what was done.
const Operator = "operator"

// Admin is what an operator does on the command line, while the server runs or not. Make it with OpenAdmin.
type Admin struct {
	server   id.Server
	store    *store.Store
	cluster  *privatepg.Cluster
	accounts *account.Accounts
}

// OpenAdmin opens the databases of the configuration: the private PostgreSQL of a running server, or, if none runs, started
// for as long. It changes no table.
func OpenAdmin(ctx context.Context, cfg config.Config, log *slog.Logger) (*Admin, error) {
	if err := wantServer(cfg); err != nil {
		return nil, err
	}
	a := &Admin{server: id.Server(cfg.ServerName)}
	list := databases(cfg)
	if len(list) == 0 {
		dir := filepath.Join(cfg.DataDir, "postgres")
		dsn, running := privatepg.Ready(dir)
		if !running {
			cluster, err := privatepg.Open(ctx, privatepg.Options{Dir: dir, Log: log})
			if err != nil {
				return nil, err
			}
			a.cluster, dsn = cluster, cluster.DSN()
		}
		list = []store.Database{{DSN: dsn, Shards: shardRange(0, cfg.Database.Shards-1)}}
	}
	var err error
	if a.store, err = store.Open(ctx, cfg.Database.Shards, list); err == nil {
		err = a.store.Ping(ctx)
	}
	if err != nil {
		a.Close()
		return nil, err
	}
	a.accounts = account.New(account.Config{Server: a.server, Shards: cfg.Database.Shards, Log: log}, a.store,
		account.NewArgon2(account.Cost{}, runtime.GOMAXPROCS(0), time.Minute), nobody{})
	return a, nil
}

// nobody has sessions here; the nodes are told by the store.
type nobody struct{}

func (nobody) Revoked(id.User, id.Device) {}
func (nobody) Suspended(id.User)          {}

// Close lets go what OpenAdmin took.
func (a *Admin) Close() {
	if a.store != nil {
		a.store.Close()
	}
	if a.cluster != nil {
		_ = a.cluster.Close()
	}
}

// Do suspends, unsuspends, or makes or unmakes a moderator of the user called name, and notes it. Faults: unknown_user.
func (a *Admin) Do(ctx context.Context, action, name string) (id.User, error) {
	u, err := a.user(name)
	if err != nil {
		return u, err
	}
	switch action {
	case rest.ActionSuspendUser:
		err = a.accounts.Suspend(ctx, u)
	case rest.ActionUnsuspendUser:
		err = a.accounts.Unsuspend(ctx, u)
	case "add_moderator", "remove_moderator":
		err = a.accounts.SetModerator(ctx, u, action == "add_moderator")
	default:
		err = fmt.Errorf("unknown action %q", action)
	}
	return u, a.note(ctx, u, action, err)
}

// ResetPassword sets a password and ends every device. Faults: unknown_user, invalid_field.
func (a *Admin) ResetPassword(ctx context.Context, name, password string) (id.User, error) {
	u, err := a.user(name)
	if err != nil {
		return u, err
	}
	return u, a.note(ctx, u, "reset_password", a.accounts.ResetPassword(ctx, u, password))
}

func (a *Admin) user(name string) (id.User, error) {
	if u, err := id.ParseUser(name); err == nil {
		return u, nil
	}
	name, err := id.NormalizeUsername(name)
	return id.NewUser(name, a.server), err
}

func (a *Admin) note(ctx context.Context, u id.User, action string, err error) error {
	if err != nil {
		return err
	}
	return a.store.InsertAction(ctx, rest.ModerationAction{
		ActionID: id.NewULID(), At: time.Now().UnixMilli(), Actor: Operator, Action: action, UserID: string(u),
	})
}

// page is how many rows are read at a time.
const page = 200

// each calls f for every row; next reads the page behind a row, the first one behind the zero row.
func each[T any](next func(last T) ([]T, error), f func(T)) error {
	var last T
	for {
		list, err := next(last)
		if err != nil {
			return err
		}
		for _, last = range list {
			f(last)
		}
		if len(list) < page {
			return nil
		}
	}
}

// Users calls f for every account in order of id.
func (a *Admin) Users(ctx context.Context, f func(account.User)) error {
	return each(func(last account.User) ([]account.User, error) { return a.accounts.ListUsers(ctx, last.ID, page) }, f)
}

// Reports calls f for every report, newest first; open leaves the resolved ones out.
func (a *Admin) Reports(ctx context.Context, open bool, f func(rest.Report)) error {
	return each(func(last rest.Report) ([]rest.Report, error) {
		return a.store.ListReports(ctx, open, last.ReportID, page)
	}, f)
}
