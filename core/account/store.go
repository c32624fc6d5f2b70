// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"

	"parley.chat/protocol/id"
)

// What a Store says apart from plain errors.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrChanged  = errors.New("changed meanwhile")
)

// Hash is the SHA-256 of a token, which is all that is stored of it.
type Hash [32]byte

// User is an account. Times are Unix milliseconds.
type User struct {
	ID           id.User
	DisplayName  string
	AvatarURL    string
	Phone        string // E.164, or empty
	PasswordHash string // PHC string; empty once deactivated
	CreatedAt    int64
	Active       bool
	SuspendedAt  int64 // 0 while the account may act
	Moderator    bool
}

// Device is one place where a user is logged in. Times are Unix milliseconds.
type Device struct {
	ID         id.Device
	Name       string
	CreatedAt  int64
	LastSeenAt int64
}

// Caller is who holds a token.
type Caller struct {
	User   id.User
	Device id.Device
}

// Edit changes a profile; nil leaves a field as it is.
type Edit struct{ DisplayName, AvatarURL, Phone *string }

// NewPassword replaces the password hash Old. Unless Keep is empty, every device but that one ends with it.
type NewPassword struct {
	User     id.User
	Old, New string
	Keep     id.Device
}

// NewLogin puts fresh tokens on a device. Known means the device exists and keeps its creation time.
type NewLogin struct {
	User         id.User
	PasswordHash string // what the login proved
	Device       Device
	Tokens       Tokens
	Known        bool
}

// Users keeps accounts, each in the shard of its id.
type Users interface {
	// InsertUser adds a user with a first device, both or none. ErrExists if the id is or ever was in use.
	InsertUser(ctx context.Context, u User, d Device, t Tokens) error
	// FindUser returns an account, active or not. ErrNotFound.
	FindUser(ctx context.Context, u id.User) (User, error)
	// UpdateProfile returns the account before the edit. ErrNotFound if there is none that is active.
	UpdateProfile(ctx context.Context, u id.User, e Edit) (User, error)
	// SetPassword returns the devices it ended. ErrChanged if the hash is no longer Old.
	SetPassword(ctx context.Context, p NewPassword) ([]id.Device, error)
	// Deactivate ends the account and every device, clears the profile, keeps the name. ErrChanged if the hash is not passwordHash.
	Deactivate(ctx context.Context, u id.User, passwordHash string) error
}

// Devices keeps devices and their tokens in the shard of the user.
type Devices interface {
	// PutLogin fails with ErrChanged if the password hash is another by now, and with ErrNotFound if a Known device is gone.
	PutLogin(ctx context.Context, l NewLogin) error
	// ListDevices returns the user's devices, oldest first.
	ListDevices(ctx context.Context, u id.User) ([]Device, error)
	// DeleteDevice removes a device with its tokens and tickets. ErrNotFound.
	DeleteDevice(ctx context.Context, u id.User, d id.Device) error
	// TouchDevices raises LastSeenAt; devices that are unknown or being changed are passed over.
	TouchDevices(ctx context.Context, seen map[Caller]int64) error
	// Sweep deletes what ended before now: spent tokens, tickets, devices past their refresh token's life.
	Sweep(ctx context.Context, now int64) error
}

// Holder is the device a token belongs or belonged to.
type Holder struct {
	Caller
	Tokens Tokens // zero if Spent
	Barred bool   // the account is suspended
	Spent  bool   // the token is a refresh token that was rotated out
}

// Change is what becomes of a holder.
type Change struct {
	Tokens     Tokens
	Spend      Hash // a refresh token that is remembered as spent; zero for none
	SpendUntil int64
	Remove     bool // the device ends; all else is ignored
}

// TokenStore finds devices by token.
type TokenStore interface {
	// FindAccess returns the device whose current or next access token has the hash. ErrNotFound.
	FindAccess(ctx context.Context, s id.Shard, h Hash) (Holder, error)
	// ChangeTokens locks the device that holds the token (access or refresh, current, next or spent), lets change decide,
	// and writes that; an error of change writes nothing and is returned. ErrNotFound.
	ChangeTokens(ctx context.Context, s id.Shard, h Hash, change func(Holder) (Change, error)) error
}

// Ticket is what a socket ticket stands for.
type Ticket struct {
	Caller
	Origin string
	Until  int64
}

// TicketStore keeps socket tickets in the shard of their user.
type TicketStore interface {
	PutTicket(ctx context.Context, h Hash, t Ticket) error
	// TakeTicket deletes the ticket and returns it if its device still exists. ErrNotFound.
	TakeTicket(ctx context.Context, s id.Shard, h Hash) (Ticket, error)
}

// Phones keeps who has a phone number, in the shard of the number.
type Phones interface {
	// ClaimPhone gives a free number to the user. ErrExists.
	ClaimPhone(ctx context.Context, number string, u id.User, at int64) error
	// FindPhone returns who has the number since when. ErrNotFound.
	FindPhone(ctx context.Context, number string) (u id.User, at int64, err error)
	// ReleasePhone frees the number if the user has it since that time, or since any time if at is 0.
	ReleasePhone(ctx context.Context, number string, u id.User, at int64) error
}

// RegistrationTokens keeps what lets people register, in the shard of the hash.
type RegistrationTokens interface {
	PutRegistrationToken(ctx context.Context, h Hash, uses int, until int64) error
	// UseRegistrationToken takes one use. ErrNotFound if there is none left now.
	UseRegistrationToken(ctx context.Context, h Hash, now int64) error
	// ReturnRegistrationToken gives a use back.
	ReturnRegistrationToken(ctx context.Context, h Hash) error
}

// Store is all of it.
type Store interface {
	Users
	Standings
	Erasures
	Devices
	TokenStore
	TicketStore
	Phones
	RegistrationTokens
}
