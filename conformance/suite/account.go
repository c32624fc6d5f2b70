// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"parley.chat/conformance/client"
)

// Session is what one device of an account holds.
type Session struct {
	DeviceID, Access, Refresh string
	Made                      time.Time
	ExpiresIn                 time.Duration
}

// Account is a user the suite may act as. It belongs to one case at a time.
type Account struct {
	Username, UserID, Password string
	Sessions                   []*Session // the first one is its device; others were made by cases and may be used again
	Given                      bool       // from the operator's file: it is never destroyed
	used                       bool
	spent                      bool
	created                    int64 // conversations, which newcomers may make few of
}

// Spend keeps an account from being leased again: its password, its tokens or its life is over.
func (a *Account) Spend() { a.spent = true }

// errNoAccount says that there are no more accounts to be had.
var errNoAccount = errors.New("no account to be had")

// pool hands out accounts and makes them as they are needed.
type pool struct {
	env  *Env
	mu   sync.Mutex
	free []*Account
	made int
	all  int
	out  map[*Account]struct{} // leased
	back chan struct{}         // closed and made again when accounts come back
	shut error                 // why no more can be registered
}

// lease returns n accounts. Given accounts are waited for if others hold them.
func (p *pool) lease(ctx context.Context, rec *client.Recorder, n int, fresh bool) ([]*Account, error) {
	var got []*Account
	for len(got) < n {
		a, wait, err := p.take(ctx, rec, fresh, n)
		if err != nil {
			p.giveBack(got)
			return nil, err
		}
		if a != nil {
			p.mu.Lock()
			p.out[a] = struct{}{}
			p.mu.Unlock()
			got = append(got, a)
			continue
		}
		p.giveBack(got) // Two cases that hold half of what they need would wait for each other.
		got = nil
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return got, nil
}

func (p *pool) take(ctx context.Context, rec *client.Recorder, fresh bool, n int) (*Account, chan struct{}, error) {
	p.mu.Lock()
	for i := len(p.free) - 1; i >= 0; i-- {
		if a := p.free[i]; !fresh || (!a.used && !a.Given) {
			p.free = append(p.free[:i], p.free[i+1:]...)
			p.mu.Unlock()
			a.used = true
			return a, nil, p.renew(ctx, rec, a)
		}
	}
	wait, shut, all := p.back, p.shut, p.all
	number := p.made + 1
	if shut == nil && number > p.env.options.MaxAccounts {
		shut = fmt.Errorf("%w: the run may make %d accounts", errNoAccount, p.env.options.MaxAccounts)
	}
	if shut == nil {
		p.made = number
	}
	p.mu.Unlock()
	if shut != nil {
		if fresh || all < n {
			return nil, nil, shut
		}
		return nil, wait, nil
	}
	a, err := p.env.register(ctx, rec, number)
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(err, errNoAccount) {
		p.shut = err
		again := make(chan struct{})
		close(again) // From now on it is known what there is to wait for.
		return nil, again, nil
	}
	if err == nil {
		p.all++
		a.used = true
	}
	return a, nil, err
}

// renew takes care that the first session lives long enough for a case.
func (p *pool) renew(ctx context.Context, rec *client.Recorder, a *Account) error {
	if len(a.Sessions) == 0 {
		s, err := p.env.login(ctx, rec, a)
		if err != nil {
			return err
		}
		a.Sessions = []*Session{s}
		return nil
	}
	var kept []*Session
	for i, s := range a.Sessions {
		if time.Since(s.Made) > s.ExpiresIn/2 {
			if i > 0 {
				continue
			}
			if err := p.env.refresh(ctx, rec, a, s); err != nil {
				return err
			}
		}
		kept = append(kept, s)
	}
	a.Sessions = kept
	return nil
}

func (p *pool) giveBack(list []*Account) {
	if len(list) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range list {
		delete(p.out, a)
		if a.spent || p.tired(a) {
			p.all--
			continue
		}
		p.free = append(p.free, a)
	}
	close(p.back)
	p.back = make(chan struct{})
}

// spare is how many conversations a case may create with one account, without having to wait for a day.
const spare = 4

// tired tells that an account has hardly any conversations left to create on its first day. The caller holds mu.
func (p *pool) tired(a *Account) bool {
	most := p.env.Limit("newcomerConversations")
	return most > 2*spare && !a.Given && p.shut == nil && p.made < p.env.options.MaxAccounts && a.created > most-spare
}

// note counts the conversations that an account creates.
func (p *pool) note(in client.Request, res *client.Response) {
	if res == nil || in.Method != "POST" || in.Path != "/api/v1/conversations" || res.Status != http.StatusCreated {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := range p.out {
		for _, s := range a.Sessions {
			if s.Access == in.Token {
				a.created++
				return
			}
		}
	}
}

// register makes the account number n of the run.
func (e *Env) register(ctx context.Context, rec *client.Recorder, n int) (*Account, error) {
	if e.options.Given != nil {
		return nil, fmt.Errorf("%w: the operator gave %d accounts", errNoAccount, len(e.options.Given))
	}
	a := &Account{Username: fmt.Sprintf("c%s-%d", e.RunID, n), Password: e.Password()}
	body := map[string]any{"username": a.Username, "password": a.Password, "deviceName": "conformance"}
	if e.options.RegistrationToken != "" {
		body["registrationToken"] = e.options.RegistrationToken
	}
	res, err := e.patient(ctx, rec, "suite", client.Request{Method: "POST", Path: "/api/v1/register", JSON: body})
	if err != nil {
		return nil, err
	}
	if res.Status != http.StatusCreated {
		return nil, fmt.Errorf("%w: register answers %d %s", errNoAccount, res.Status, res.Code())
	}
	a.UserID = res.At("userId").Text()
	a.Sessions = []*Session{ReadSession(res)}
	return a, nil
}

func (e *Env) login(ctx context.Context, rec *client.Recorder, a *Account) (*Session, error) {
	body := map[string]any{"username": a.Username, "password": a.Password, "deviceName": "conformance"}
	res, err := e.patient(ctx, rec, "suite", client.Request{Method: "POST", Path: "/api/v1/login", JSON: body})
	if err != nil {
		return nil, err
	}
	if res.Status != http.StatusOK {
		return nil, fmt.Errorf("%w: login as %s answers %d %s", errNoAccount, a.Username, res.Status, res.Code())
	}
	a.UserID = res.At("userId").Text()
	return ReadSession(res), nil
}

func (e *Env) refresh(ctx context.Context, rec *client.Recorder, a *Account, s *Session) error {
	body := map[string]any{"refreshToken": s.Refresh}
	res, err := e.patient(ctx, rec, "suite", client.Request{Method: "POST", Path: "/api/v1/refresh", JSON: body})
	if err != nil {
		return err
	}
	if res.Status != http.StatusOK {
		return fmt.Errorf("%w: refresh for %s answers %d %s", errNoAccount, a.Username, res.Status, res.Code())
	}
	*s = *ReadSession(res)
	return nil
}

// ReadSession reads the answer of register, login or refresh.
func ReadSession(res *client.Response) *Session {
	return &Session{
		DeviceID: res.At("deviceId").Text(), Access: res.At("accessToken").Text(), Refresh: res.At("refreshToken").Text(),
		Made: time.Now(), ExpiresIn: time.Duration(res.At("expiresIn").Int()) * time.Second,
	}
}
