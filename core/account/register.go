// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Registration is a wish to have an account.
type Registration struct {
	Username, Password       string
	DisplayName, DeviceName  string
	Phone, RegistrationToken string // may be empty
}

// Register makes an account with a first device. Faults: registration_closed, invalid_field, username_reserved,
// username_taken, phone_number_taken, registration_token_invalid, rate_limited.
func (a *Accounts) Register(ctx context.Context, from netip.Addr, in Registration) (Session, error) {
	u, err := a.checkRegistration(in)
	if err != nil {
		return Session{}, err
	}
	if err := a.allowRegister(from); err != nil {
		return Session{}, err
	}
	if _, err := a.store.FindUser(ctx, u.ID); err == nil {
		return Session{}, errTaken // Spares the hash; InsertUser decides.
	} else if !errors.Is(err, ErrNotFound) {
		return Session{}, err
	}
	if u.PasswordHash, err = a.hasher.Hash(ctx, in.Password); err != nil {
		return Session{}, err
	}
	return a.insert(ctx, u, in)
}

var errTaken = fault.New(fault.UsernameTaken, "the username is taken")

func (a *Accounts) checkRegistration(in Registration) (u User, err error) {
	if a.cfg.Mode != Open && a.cfg.Mode != Token {
		return u, fault.New(fault.RegistrationClosed, "this server does not register accounts")
	}
	name, err := id.NormalizeUsername(in.Username)
	if err != nil {
		return u, err
	}
	if reserved(name) {
		return u, fault.New(fault.UsernameReserved, "the username is kept for the operator")
	}
	if err := checkPassword("password", in.Password); err != nil {
		return u, err
	}
	if in.Phone != "" {
		if in.Phone, err = ParsePhone(in.Phone); err != nil {
			return u, err
		}
	}
	return User{ID: id.NewUser(name, a.cfg.Server), DisplayName: in.DisplayName, Phone: in.Phone, CreatedAt: a.now(), Active: true}, nil
}

// insert takes what lives in other shards first and gives it back if the user was not made.
func (a *Accounts) insert(ctx context.Context, u User, in Registration) (s Session, err error) {
	if a.cfg.Mode == Token {
		h := Hash(sha256.Sum256([]byte(in.RegistrationToken)))
		if err := a.useRegistrationToken(ctx, h); err != nil {
			return s, err
		}
		defer func() {
			a.undo(ctx, u.ID, err, func(ctx context.Context) error { return a.store.ReturnRegistrationToken(ctx, h) })
		}()
	}
	if u.Phone != "" {
		if err := a.claimPhone(ctx, u.Phone, u.ID); err != nil {
			return s, err
		}
		defer func() {
			a.undo(ctx, u.ID, err, func(ctx context.Context) error { return a.store.ReleasePhone(ctx, u.Phone, u.ID, 0) })
		}()
	}
	pair, s := a.issue(u.ID.Shard(a.cfg.Shards))
	d := a.newDevice(in.DeviceName)
	s.Caller = Caller{u.ID, d.ID}
	err = a.store.InsertUser(ctx, u, d, Tokens{Current: pair})
	if errors.Is(err, ErrExists) {
		err = errTaken
	}
	return s, err
}

// undo gives back what a registration took, unless its outcome is unknown and may be an account.
func (a *Accounts) undo(ctx context.Context, u id.User, err error, giveBack func(context.Context) error) {
	if err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	var refusal *fault.Error
	if !errors.As(err, &refusal) {
		if _, err := a.store.FindUser(ctx, u); !errors.Is(err, ErrNotFound) {
			return
		}
	}
	if err := giveBack(ctx); err != nil {
		a.cfg.Log.Warn("registration not undone", slog.String("user", string(u)), slog.Any("error", err))
	}
}

const undoTime = 5 * time.Second

func (a *Accounts) newDevice(name string) Device {
	return Device{ID: id.NewDevice(), Name: name, CreatedAt: a.now(), LastSeenAt: coarse(a.now())}
}

func (a *Accounts) useRegistrationToken(ctx context.Context, h Hash) error {
	err := a.store.UseRegistrationToken(ctx, h, a.now())
	if errors.Is(err, ErrNotFound) {
		return fault.New(fault.RegistrationTokenInvalid, "the registration token is missing, unknown, used up or expired")
	}
	return err
}

// NewRegistrationToken makes a token for so many registrations within life.
func (a *Accounts) NewRegistrationToken(ctx context.Context, uses int, life time.Duration) (string, error) {
	token, h := newToken(registrationPrefix, 0)
	return token, a.store.PutRegistrationToken(ctx, h, uses, a.now()+life.Milliseconds())
}
