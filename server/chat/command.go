// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"parley.chat/protocol/frame"
)

// command is one of the things to type; args are at least need.
type command struct {
	usage, help string
	need        int
	inside      bool // only with an open conversation
	do          func(a *app, ctx context.Context, args []string) error
}

func commands() map[string]command {
	out := map[string]command{
		"/list":    {"/list", "the conversations, numbered", 0, false, (*app).cmdList},
		"/dm":      {"/dm NAME", "open the direct conversation with someone", 1, false, (*app).cmdDirect},
		"/group":   {"/group NAME [USER…]", "make a group; quote a name with spaces", 1, false, (*app).cmdGroup},
		"/channel": {"/channel NAME [public]", "make a channel: you write, others read", 1, false, (*app).cmdChannel},

		"/subscribe":   {"/subscribe ID", "read a public channel", 1, false, (*app).cmdSubscribe},
		"/unsubscribe": {"/unsubscribe", "read it no longer", 0, true, (*app).cmdUnsubscribe},

		"/open":    {"/open N|NAME", "open a conversation by number or by name", 1, false, (*app).cmdOpen},
		"/members": {"/members", "who is in it", 0, true, (*app).cmdMembers},
		"/add":     {"/add USER…", "add members", 1, true, (*app).cmdAdd},
		"/remove":  {"/remove USER", "remove a member", 1, true, (*app).cmdRemove},
		"/leave":   {"/leave", "leave the group", 0, true, (*app).cmdLeave},
		"/role":    {"/role USER owner|admin|member", "give a member another role", 2, true, (*app).cmdRole},
		"/rename":  {"/rename NAME", "rename the group", 1, true, (*app).cmdRename},

		"/describe":    {"/describe TEXT", "say what the group is about", 1, true, (*app).cmdDescribe},
		"/permissions": {"/permissions [WHAT ROLE]", "what each role may, or change it", 0, true, (*app).cmdPermissions},
		"/slow":        {"/slow SECONDS", "the time between two messages of a member", 1, true, (*app).cmdSlow},
		"/timer":       {"/timer off|1d|7d|90d", "let new messages disappear", 1, true, (*app).cmdTimer},
		"/transfer":    {"/transfer USER", "hand the group over", 1, true, (*app).cmdTransfer},
		"/ban":         {"/ban [USER]", "keep someone out, or who is", 0, true, (*app).cmdBan},
		"/unban":       {"/unban USER", "lift a ban", 1, true, (*app).cmdUnban},
		"/link":        {"/link [ask|revoke N|list]", "an invite link; with ask you approve", 0, true, (*app).cmdLink},
		"/join":        {"/join LINK", "join a group by an invite link", 1, false, (*app).cmdJoin},
		"/requests":    {"/requests", "who asks to join", 0, true, (*app).cmdRequests},
		"/approve":     {"/approve USER", "let someone in who asks", 1, true, (*app).cmdApprove},
		"/decline":     {"/decline USER", "do not", 1, true, (*app).cmdDecline},
		"/pin":         {"/pin [off]", "pin the newest message, or take its pin away", 0, true, (*app).cmdPin},
		"/pins":        {"/pins", "the pinned messages", 0, true, (*app).cmdPins},

		"/online":  {"/online NAME", "whether someone is there, and when last", 1, false, (*app).cmdOnline},
		"/history": {"/history [N]", "the newest N messages, else 20", 0, true, (*app).cmdHistory},
		"/edit":    {"/edit N|last TEXT", "give an own message another text", 2, true, (*app).cmdEdit},
		"/delete":  {"/delete N|last", "delete a message for everyone", 1, true, (*app).cmdDelete},
		"/react":   {"/react N|last EMOJI", "react to a message", 2, true, (*app).cmdReact},
		"/unreact": {"/unreact N|last EMOJI", "take your reaction back", 2, true, (*app).cmdUnreact},
		"/reply":   {"/reply N|last TEXT", "answer a message", 2, true, (*app).cmdReply},
		"/forward": {"/forward N|last NAME", "send a message on to a conversation", 2, true, (*app).cmdForward},
		"/search":  {"/search [WORD…] [from:USER] [in:N] [kind:K]", "find messages, newest first", 1, false, (*app).cmdSearch},
		"/find":    {"/find WORDS", "find messages here", 1, true, (*app).cmdFind},
		"/words":   {"/words on|off", "let the server index the words of this group", 1, true, (*app).cmdWords},
		"/more":    {"/more", "go on with what was searched for last", 0, false, (*app).cmdMore},
		"/goto":    {"/goto N", "open the conversation at a found message", 1, false, (*app).cmdGoto},
		"/report":  {"/report N|last REASON [TEXT]", "tell the moderators, as spam or other", 2, true, (*app).cmdReport},
		"/devices": {"/devices [remove N]", "your devices, numbered, or log out one of them", 0, false, (*app).cmdDevices},
		"/logout":  {"/logout", "log out, forget this device, and leave", 0, false, (*app).cmdLogout},
		"/quit":    {"/quit", "leave; what is unsent stays queued", 0, false, (*app).cmdQuit},
		"/help":    {"/help", "this", 0, false, (*app).cmdHelp},
	}
	maps.Copy(out, personalCommands())
	return out
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
	return a.sendMessage(ctx, frame.Send{ConversationID: a.open, Content: text})
}

// sendMessage sends to the open conversation.
func (a *app) sendMessage(ctx context.Context, m frame.Send) error {
	text := m.Content
	tempID, err := a.client.SendAsync(ctx, m)
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

func (a *app) cmdLogout(ctx context.Context, _ []string) error {
	if err := a.client.Logout(ctx); err != nil {
		return err
	}
	a.screen.print("Logged out.")
	return errLeave
}

func (a *app) cmdQuit(context.Context, []string) error { return errLeave }
