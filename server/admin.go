// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"parley.chat/core/account"
	"parley.chat/protocol/rest"
	"parley.chat/server/config"
	"parley.chat/server/homeserver"
)

const adminUsage = `parley admin does what an operator does, while the server runs or not.

  parley admin [-config FILE] moderator add NAME      let the user moderate: read reports, delete, suspend
  parley admin [-config FILE] moderator remove NAME
  parley admin [-config FILE] user list               every account
  parley admin [-config FILE] user suspend NAME       end the sessions and keep the account from acting
  parley admin [-config FILE] user unsuspend NAME
  parley admin [-config FILE] user reset-password NAME [-stdin]
                                                      set a new password, made up or read, and log every device out
  parley admin [-config FILE] report list [-all]      reports, the open ones without -all
  parley admin [-config FILE] transcript CONVERSATION write a conversation as parley verify reads it
  parley admin [-config FILE] federation              servers that follow conversations here: how far, what they refuse
  parley admin [-config FILE] federation retry SERVER try it now, with what it refused

NAME is a username or a full user id.
`

// admin runs one command of the operator.
func admin(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	configured, words := splitConfig(args)
	if len(words) == 2 && words[0] == "transcript" {
		return transcript(ctx, configured, words[1], out)
	}
	do, ok := adminCommand(words, in, out)
	if !ok {
		fmt.Fprint(out, adminUsage)
		if len(words) == 0 || words[0] == "help" || words[0] == "--help" {
			return nil
		}
		return fmt.Errorf("admin: cannot read %q", strings.Join(words, " "))
	}
	cfg, _, err := load("admin", configured)
	if err != nil {
		return err
	}
	a, err := homeserver.OpenAdmin(ctx, cfg, adminLog(cfg))
	if err != nil {
		return err
	}
	defer a.Close()
	return do(ctx, a)
}

// adminLog keeps what the database says of itself out of the way.
func adminLog(cfg config.Config) *slog.Logger {
	cfg.Log.Level = "error"
	return logger(cfg.Log, os.Stderr)
}

// splitConfig takes -config and its value out of the words.
func splitConfig(args []string) (configured, words []string) {
	for i := 0; i < len(args); i++ {
		switch name, _, valued := strings.Cut(strings.TrimLeft(args[i], "-"), "="); {
		case !strings.HasPrefix(args[i], "-") || name != "config":
			words = append(words, args[i])
		case valued || i+1 == len(args):
			configured = append(configured, args[i])
		default:
			configured = append(configured, args[i], args[i+1])
			i++
		}
	}
	return configured, words
}

type adminDo = func(context.Context, *homeserver.Admin) error

func adminCommand(words []string, in io.Reader, out io.Writer) (adminDo, bool) {
	if len(words) > 0 && words[0] == "federation" {
		return federationCommand(words[1:], out)
	}
	if len(words) < 2 {
		return nil, false
	}
	verb, rest := words[0]+" "+words[1], words[2:]
	switch {
	case verb == "user list" && len(rest) == 0:
		return func(ctx context.Context, a *homeserver.Admin) error { return listUsers(ctx, a, out) }, true
	case verb == "report list" && (len(rest) == 0 || len(rest) == 1 && rest[0] == "-all"):
		return func(ctx context.Context, a *homeserver.Admin) error { return listReports(ctx, a, len(rest) == 0, out) }, true
	case verb == "user reset-password" && (len(rest) == 1 || len(rest) == 2 && rest[1] == "-stdin"):
		return func(ctx context.Context, a *homeserver.Admin) error { return resetPassword(ctx, a, rest, in, out) }, true
	}
	action, ok := adminActions()[verb]
	if !ok || len(rest) != 1 {
		return nil, false
	}
	return func(ctx context.Context, a *homeserver.Admin) error {
		u, err := a.Do(ctx, action.name, rest[0])
		if err == nil {
			fmt.Fprintf(out, action.told+"\n", u)
		}
		return err
	}, true
}

type adminAction struct{ name, told string }

func adminActions() map[string]adminAction {
	return map[string]adminAction{
		"moderator add":    {"add_moderator", "%s is a moderator."},
		"moderator remove": {"remove_moderator", "%s is no moderator."},
		"user suspend":     {rest.ActionSuspendUser, "%s is suspended."},
		"user unsuspend":   {rest.ActionUnsuspendUser, "%s may act again."},
	}
}

func resetPassword(ctx context.Context, a *homeserver.Admin, words []string, in io.Reader, out io.Writer) error {
	password := rand.Text()
	if len(words) == 2 {
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && line == "" {
			return fmt.Errorf("read the password: %w", err)
		}
		password = strings.TrimRight(line, "\r\n")
	}
	u, err := a.ResetPassword(ctx, words[0], password)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Every device of %s is logged out.\n", u)
	if len(words) == 1 {
		fmt.Fprintf(out, "The new password is %s\n", password)
	}
	return nil
}

func listUsers(ctx context.Context, a *homeserver.Admin, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "USER\tCREATED\tSTATE\tMODERATOR")
	err := a.Users(ctx, func(u account.User) {
		state, moderator := "active", ""
		if !u.Active {
			state = "deactivated"
		} else if u.SuspendedAt > 0 {
			state = "suspended since " + dayOf(u.SuspendedAt)
		}
		if u.Moderator {
			moderator = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.ID, dayOf(u.CreatedAt), state, moderator)
	})
	_ = w.Flush()
	return err
}

func listReports(ctx context.Context, a *homeserver.Admin, open bool, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REPORT\tMADE\tREASON\tABOUT\tBY\tSTATE")
	err := a.Reports(ctx, open, func(r rest.Report) {
		about, state := r.UserID, r.Status
		if about == "" {
			about = r.ConversationID
		}
		if r.Action != "" {
			state += ": " + r.Action
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ReportID, dayOf(r.CreatedAt), r.Reason, about, r.ReporterID, state)
	})
	_ = w.Flush()
	return err
}

func dayOf(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02") }
