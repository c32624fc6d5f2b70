// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"net/netip"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Accounts holds the operations on accounts and devices. Make it with NewAccounts.
type Accounts struct {
	Lookups  *Lookups // nil: nobody is limited
	Others   Others   // nil: there are no other servers
	accounts *account.Accounts
}

// NewAccounts makes the operations.
func NewAccounts(a *account.Accounts) *Accounts { return &Accounts{accounts: a} }

// Authenticate tells whose access token it is. Faults: unauthenticated, token_expired.
func (a *Accounts) Authenticate(ctx context.Context, accessToken string) (Caller, error) {
	c, err := a.accounts.Authenticate(ctx, accessToken)
	return Caller{User: c.User, Device: c.Device}, err
}

// Register makes an account and logs it in. Faults: invalid_field, registration_closed, registration_token_invalid,
// username_reserved, username_taken, phone_number_taken, rate_limited.
func (a *Accounts) Register(ctx context.Context, from netip.Addr, in rest.Register) (rest.Session, error) {
	if err := first(checkName("displayName", in.DisplayName), checkName("deviceName", in.DeviceName)); err != nil {
		return rest.Session{}, err
	}
	s, err := a.accounts.Register(ctx, from, account.Registration{
		Username: in.Username, Password: in.Password, DisplayName: in.DisplayName, DeviceName: in.DeviceName,
		Phone: in.PhoneNumber, RegistrationToken: in.RegistrationToken,
	})
	return session(s, err)
}

// Login logs in on a new device or on one the user has. Faults: invalid_field, wrong_credentials, rate_limited.
func (a *Accounts) Login(ctx context.Context, from netip.Addr, in rest.Login) (rest.Session, error) {
	c := account.Credentials{Username: in.Username, Password: in.Password, DeviceName: in.DeviceName}
	if err := checkName("deviceName", in.DeviceName); err != nil {
		return rest.Session{}, err
	}
	if in.DeviceID != "" {
		d, err := id.ParseDevice(in.DeviceID)
		if err != nil {
			return rest.Session{}, err
		}
		c.Device = d
	}
	s, err := a.accounts.Login(ctx, from, c)
	return session(s, err)
}

// Refresh changes a refresh token for new tokens. Faults: refresh_invalid.
func (a *Accounts) Refresh(ctx context.Context, in rest.Refresh) (rest.Session, error) {
	if in.RefreshToken == "" {
		return rest.Session{}, fault.Invalid("refreshToken", "is required")
	}
	s, err := a.accounts.Refresh(ctx, in.RefreshToken)
	return session(s, err)
}

func session(s account.Session, err error) (rest.Session, error) {
	if err != nil {
		return rest.Session{}, err
	}
	return rest.Session{
		UserID: string(s.User), DeviceID: string(s.Device),
		AccessToken: s.Access, RefreshToken: s.Refresh, ExpiresIn: s.ExpiresIn,
	}, nil
}

// Logout ends the caller's device.
func (a *Accounts) Logout(ctx context.Context, c Caller) error {
	return a.accounts.Logout(ctx, c.account())
}

// Devices lists the caller's devices, oldest first.
func (a *Accounts) Devices(ctx context.Context, c Caller) (rest.Devices, error) {
	all, err := a.accounts.Devices(ctx, c.User)
	out := rest.Devices{Devices: make([]rest.Device, 0, len(all))}
	for _, d := range all {
		out.Devices = append(out.Devices, rest.Device{
			DeviceID: string(d.ID), DeviceName: d.Name, CreatedAt: d.CreatedAt, LastSeenAt: d.LastSeenAt, IsCurrent: d.ID == c.Device,
		})
	}
	return out, err
}

// RemoveDevice ends one of the caller's devices. Faults: invalid_field, unknown_device.
func (a *Accounts) RemoveDevice(ctx context.Context, c Caller, deviceID string) error {
	d, err := id.ParseDevice(deviceID)
	if err != nil {
		return err
	}
	return a.accounts.RemoveDevice(ctx, c.User, d)
}

// ChangePassword sets a new password; other devices end unless the input keeps them. Faults: invalid_field,
// wrong_credentials, rate_limited.
func (a *Accounts) ChangePassword(ctx context.Context, c Caller, in rest.ChangePassword) error {
	return a.accounts.ChangePassword(ctx, c.account(), in.CurrentPassword, in.NewPassword, in.KeepDevices)
}

// Deactivate ends the caller's account for good. Faults: invalid_field, wrong_credentials, rate_limited.
func (a *Accounts) Deactivate(ctx context.Context, c Caller, in rest.Deactivate) error {
	return a.accounts.Deactivate(ctx, c.account(), in.Password)
}

// maxOrigin is more than any browser sends: a scheme, a host name and a port.
const maxOrigin = 512

// Ticket makes a socket ticket for a page of that origin. Faults: invalid_field, rate_limited.
func (a *Accounts) Ticket(ctx context.Context, c Caller, origin string) (rest.Ticket, error) {
	if err := checkText("origin", origin, maxOrigin); err != nil {
		return rest.Ticket{}, err
	}
	ticket, life, err := a.accounts.NewTicket(ctx, c.account(), origin)
	if err != nil {
		return rest.Ticket{}, err
	}
	return rest.Ticket{Ticket: ticket, ExpiresIn: int(life.Seconds())}, nil
}

// RedeemTicket takes a socket ticket. Faults: ticket_invalid.
func (a *Accounts) RedeemTicket(ctx context.Context, ticket, origin string) (Caller, error) {
	c, err := a.accounts.RedeemTicket(ctx, ticket, origin)
	return Caller{User: c.User, Device: c.Device}, err
}
