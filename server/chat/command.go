// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/sdk"
)

// command is one of the things to type; args are at least need.
type command struct {
	usage, help string
	need        int
	inside      bool // only with an open conversation
	do          func(a *app, ctx context.Context, args []string) error
}

func commands() map[string]command {
	return map[string]command{
		"/list":    {"/list", "the conversations, numbered", 0, false, (*app).cmdList},
		"/dm":      {"/dm NAME", "open the direct conversation with someone", 1, false, (*app).cmdDirect},
		"/group":   {"/group NAME [USER…]", "make a group; quote a name with spaces", 1, false, (*app).cmdGroup},
		"/open":    {"/open N|NAME", "open a conversation by its number in the list or its name", 1, false, (*app).cmdOpen},
		"/members": {"/members", "who is in it", 0, true, (*app).cmdMembers},
		"/add":     {"/add USER…", "add members", 1, true, (*app).cmdAdd},
		"/remove":  {"/remove USER", "remove a member", 1, true, (*app).cmdRemove},
		"/leave":   {"/leave", "leave the group", 0, true, (*app).cmdLeave},
		"/rename":  {"/rename NAME", "rename the group", 1, true, (*app).cmdRename},
		"/history": {"/history [N]", "the newest N messages, else 20", 0, true, (*app).cmdHistory},
		"/devices": {"/devices [remove N]", "your devices, numbered, or log out one of them", 0, false, (*app).cmdDevices},
		"/logout":  {"/logout", "log out, forget this device, and leave", 0, false, (*app).cmdLogout},
		"/quit":    {"/quit", "leave; messages wait for you", 0, false, (*app).cmdQuit},
		"/help":    {"/help", "this", 0, false, (*app).cmdHelp},
	}
}

// errLeave is what a command answers that ends the app.
var errLeave = errors.New("leaving")

// do runs a command, or sends text to the open conversation. A text that begins with a slash is typed with two.
func (a *app) do(ctx context.Context, s string) error {
	s = strings.TrimRight(s, "\r")
	switch {
	case strings.TrimSpace(s) == "":
		return nil
	case strings.HasPrefix(s, "//"):
		return a.send(ctx, s[1:])
	case !strings.HasPrefix(s, "/"):
		return a.send(ctx, s)
	}
	words, err := split(s)
	if err != nil {
		return err
	}
	c, ok := commands()[words[0]]
	switch {
	case !ok:
		return fmt.Errorf("unknown command %s; /help lists them", words[0])
	case len(words)-1 < c.need:
		return errors.New("usage: " + c.usage)
	case c.inside && a.open == "":
		return errors.New("no conversation is open: /list, then /open N, or /dm NAME")
	}
	return c.do(a, ctx, words[1:])
}

// split cuts a line into words; double quotes keep spaces in a word.
func split(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	quoted, inWord := false, false
	for _, r := range s {
		switch {
		case r == '"':
			quoted, inWord = !quoted, true
		case r == ' ' && !quoted:
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

func (a *app) send(ctx context.Context, text string) error {
	if a.open == "" {
		return errors.New("no conversation is open: /list, then /open N, or /dm NAME")
	}
	tempID, err := a.client.SendAsync(ctx, frame.Send{ConversationID: a.open, Content: text})
	if err != nil {
		return err
	}
	// The acknowledgement comes through Events, which this goroutine reads after this.
	o := a.get(a.open).sending(tempID, text)
	if a.plain {
		a.screen.print(o.tick + " " + short(clean(text), 40))
		return nil
	}
	a.screen.print(clock(time.Now().UnixMilli(), time.Now()) + " you: " + clean(text))
	return nil
}

func (a *app) cmdHelp(context.Context, []string) error {
	all := commands()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		a.screen.print(fmt.Sprintf("%-22s %s", all[name].usage, all[name].help))
	}
	a.screen.print("Anything else is sent to the open conversation; " + tickQueued + " queued, " + tickSent + " sent, " +
		tickDelivered + " delivered, " + tickRead + ".")
	return nil
}

func (a *app) cmdList(ctx context.Context, _ []string) error {
	if err := a.fetchList(ctx); err != nil {
		a.screen.print("! " + explain(err) + "; this is as known:")
	}
	a.showList()
	return nil
}

func (a *app) cmdDirect(ctx context.Context, args []string) error {
	peer, err := a.userID(args[0])
	if err != nil {
		return err
	}
	if peer == a.self {
		return errors.New("that is you: /dm takes the name of someone else")
	}
	c, err := a.client.CreateDirect(ctx, peer)
	if err != nil {
		return a.aboutUsers(err, peer)
	}
	return a.enter(ctx, c)
}

func (a *app) cmdGroup(ctx context.Context, args []string) error {
	members, err := a.userIDs(args[1:])
	if err != nil {
		return err
	}
	c, err := a.client.CreateGroup(ctx, args[0], members...)
	if err != nil {
		return a.aboutUsers(err, members...)
	}
	return a.enter(ctx, c)
}

func (a *app) cmdOpen(ctx context.Context, args []string) error {
	chosen, err := a.choose(ctx, strings.Join(args, " "))
	if err != nil {
		return err
	}
	c, err := a.client.Conversation(ctx, chosen)
	if err != nil {
		return err
	}
	return a.enter(ctx, c)
}

// enter opens a conversation and shows its end.
func (a *app) enter(ctx context.Context, s frame.Conversation) error {
	c := a.learn(s)
	a.open = s.ConversationID
	a.screen.print("── " + a.title(c) + " ──")
	if err := a.learnReceipts(ctx, c); err != nil {
		return err
	}
	return a.history(ctx, openingLines)
}

// learnReceipts reads how far the members got, for the ticks.
func (a *app) learnReceipts(ctx context.Context, c *conv) error {
	page, err := a.client.Members(ctx, c.ConversationID, "", 0)
	for _, m := range page.Members {
		a.receipt(frame.Receipt{
			ConversationID: c.ConversationID, UserID: m.UserID, DeliveredSeq: m.DeliveredSeq, ReadSeq: m.ReadSeq,
		})
	}
	return err
}

func (a *app) cmdHistory(ctx context.Context, args []string) error {
	n := 20
	if len(args) > 0 {
		var err error
		if n, err = strconv.Atoi(args[0]); err != nil || n < 1 || n > 200 {
			return errors.New("usage: /history [1 to 200]")
		}
	}
	return a.history(ctx, n)
}

func (a *app) history(ctx context.Context, n int) error {
	page, err := a.client.Messages(ctx, a.open, sdk.Range{Limit: n})
	if err != nil {
		return err
	}
	c := a.get(a.open)
	slices.Reverse(page.Messages)
	for _, e := range page.Messages {
		a.note(e)
		c.shown = max(c.shown, e.Seq)
		a.screen.print(a.format(c, e))
	}
	if len(page.Messages) > 0 {
		a.read(c, page.Messages[len(page.Messages)-1])
	}
	return nil
}

func (a *app) cmdMembers(ctx context.Context, _ []string) error {
	for cursor := ""; ; {
		page, err := a.client.Members(ctx, a.open, cursor, 0)
		if err != nil {
			return err
		}
		for _, m := range page.Members {
			a.screen.print(fmt.Sprintf("  %s (%s)", a.person(m.UserID), clean(m.Role)))
		}
		if !page.HasMore || page.NextCursor == "" {
			return nil
		}
		cursor = page.NextCursor
	}
}

func (a *app) cmdAdd(ctx context.Context, args []string) error {
	users, err := a.userIDs(args)
	if err != nil {
		return err
	}
	return a.aboutUsers(a.client.AddMembers(ctx, a.open, users...), users...)
}

func (a *app) cmdRemove(ctx context.Context, args []string) error {
	user, err := a.userID(args[0])
	if err != nil {
		return err
	}
	return a.client.RemoveMember(ctx, a.open, user)
}

func (a *app) cmdLeave(ctx context.Context, _ []string) error {
	if err := a.client.Leave(ctx, a.open); err != nil {
		return err
	}
	c := a.get(a.open)
	c.Membership, a.open = "left", ""
	a.screen.print("You left " + a.title(c) + ".")
	return nil
}

func (a *app) cmdRename(ctx context.Context, args []string) error {
	return a.client.Rename(ctx, a.open, strings.Join(args, " "))
}

func (a *app) cmdLogout(ctx context.Context, _ []string) error {
	if err := a.client.Logout(ctx); err != nil {
		return err
	}
	a.screen.print("Logged out.")
	return errLeave
}

func (a *app) cmdQuit(context.Context, []string) error { return errLeave }
