// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/sdk"
)

const (
	commandTimeout = 20 * time.Second
	openingLines   = 10
)

// app is the running client after login. One goroutine owns it.
type app struct {
	*model
	around
	client *sdk.Client
	screen screen
	plain  bool

	live    bool // connected and caught up
	greeted bool // the list was shown
	fetched bool // the whole list is known: what sync tells on resuming is only what moved
	told    bool // the loss of the connection was told
	leaving bool

	listing  int       // lines of the list being printed
	patience time.Time // until then it was told that messages wait
}

// typed is a line of input, or the end of it.
type typed struct {
	line string
	err  error
}

func newApp(client *sdk.Client, s screen, plain bool) *app {
	session, _ := client.Session()
	return &app{model: newModel(session.UserID), around: newAround(s), client: client, screen: s, plain: plain}
}

// run works until the user leaves, ctx ends or the session does.
func (a *app) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	ended := make(chan error, 1)
	wg.Go(func() { ended <- a.client.Run(ctx) })
	// Reading input cannot be interrupted, so this goroutine ends with the input or the process.
	lines := make(chan typed)
	go readAll(ctx, a.screen, lines)
	a.screen.print("You are " + clean(a.self) + ". /help tells what to type.")
	for !a.leaving {
		select {
		case u := <-a.client.Events():
			a.update(ctx, u)
		case in := <-lines:
			if in.err != nil {
				a.leaving = true
				break
			}
			a.line(ctx, in.line)
		case line := <-a.keys:
			a.key(line)
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		}
		a.redraw()
	}
	return a.flush(ctx, ended)
}

func readAll(ctx context.Context, s screen, lines chan<- typed) {
	for {
		line, err := s.read()
		select {
		case lines <- typed{line, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// update shows what the SDK told.
func (a *app) update(ctx context.Context, u sdk.Update) {
	switch u := u.(type) {
	case sdk.Message:
		a.message(u.Event)
	case sdk.StateChange:
		a.change(ctx, u.Event)
	case sdk.MessageChange:
		a.messageChanged(u.Event)
	case sdk.Expired:
		a.expired(u)
	case sdk.Receipt:
		a.receipt(u.Receipt)
		a.prove(ctx, u.Receipt, time.Now())
		a.ticks(u.ConversationID)
	case sdk.Acked:
		if o := a.get(u.ConversationID).find(u.TempID); o != nil {
			o.seq = u.Seq
		}
		a.ticks(u.ConversationID)
	case sdk.Accepted:
		if o := a.get(u.ConversationID).find(u.TempID); o != nil && o.seq < 0 {
			a.screen.print(tickAccepted + " your server has it; the conversation's server does not answer, so it is delivered later")
		}
	case sdk.SendFailed:
		if o := a.get(u.Send.ConversationID).find(u.Send.TempID); o != nil {
			o.tick = tickFailed
		}
		a.screen.print(tickFailed + " " + short(clean(u.Send.Content), 40) + ": " + explain(u.Err))
	case sdk.SendDelayed:
		a.delayed(u)
	case sdk.Summary:
		a.learn(u.Conversation)
	case sdk.ChannelHead:
		a.headMoved(ctx, u.ChannelHead)
	case sdk.Connection:
		a.connection(ctx, u)
	default:
		a.moment(u)
	}
}

func (a *app) connection(ctx context.Context, u sdk.Connection) {
	switch u.State {
	case sdk.Live:
		a.live = true
		if a.told || !a.greeted {
			a.screen.print("connected")
		}
		a.told = false
		if !a.greeted && !a.leaving {
			a.greeted = true
			a.greet(ctx)
		}
	case sdk.Waiting:
		a.live = false
		if !a.told {
			a.told = true
			a.screen.print(lost(u.Err))
		}
	}
}

// lost tells why the connection is down, if that is known.
func lost(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return explain(f) + "; trying again"
	}
	return "cannot reach the server (" + outage(err) + "); trying again"
}

// redraw keeps the prompt true: the open conversation, how far the last own message got, the connection. It is also where the
// peer of the open conversation begins to be watched.
func (a *app) redraw() {
	a.look()
	p := "> "
	if c := a.convs[a.open]; c != nil {
		p = short(a.title(c), 24) + "> "
		if n := len(c.own); n > 0 {
			p = "[" + c.own[n-1].tick + "] " + p
		}
	}
	if !a.live {
		p = "(offline) " + p
	}
	a.screen.prompt(p)
}

// line does what the user typed.
func (a *app) line(ctx context.Context, s string) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if err := a.do(ctx, s); err != nil {
		if errors.Is(err, errLeave) {
			a.leaving = true
			return
		}
		a.fail(err)
	}
}

// fail tells that a command failed, and what to do if only the way to the server did.
func (a *app) fail(err error) {
	next := ""
	if unreachable(err) {
		next = "; type it again when connected"
	}
	a.screen.print("! " + explain(err) + next)
}
