// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
	"parley.chat/protocol/text"
)

const (
	maxName      = 256
	maxAvatarURL = 2048
)

// Me returns the caller's own profile.
func (a *Accounts) Me(ctx context.Context, c Caller) (rest.Profile, error) {
	u, err := a.accounts.Profile(ctx, c.User)
	return ownProfile(u, err)
}

// EditMe changes the caller's profile. Faults: invalid_field, phone_number_taken.
func (a *Accounts) EditMe(ctx context.Context, c Caller, in rest.EditProfile) (rest.Profile, error) {
	if err := checkProfile(in); err != nil {
		return rest.Profile{}, err
	}
	u, err := a.accounts.EditProfile(ctx, c.User, account.Edit{DisplayName: in.DisplayName, AvatarURL: in.AvatarURL, Phone: in.PhoneNumber})
	return ownProfile(u, err)
}

// User returns the profile of any user, as the caller sees it; whether there is one, that is a lookup. Faults: invalid_field,
// unknown_user, server_unreachable, server_refused, rate_limited.
func (a *Accounts) User(ctx context.Context, c Caller, userID string) (rest.Profile, error) {
	user, err := id.ParseUser(userID)
	if err != nil {
		return rest.Profile{}, err
	}
	if _, err := a.Lookups.begin(c, 1); err != nil {
		return rest.Profile{}, err
	}
	a.Lookups.note(c, 1)
	if a.Others != nil && user.Server() != c.User.Server() {
		return a.Others.Profile(ctx, c.User, user)
	}
	u, err := a.accounts.Profile(ctx, user)
	u.Phone = ""
	return ownProfile(u, err)
}

// ownProfile shows the username where a user chose no other name.
func ownProfile(u account.User, err error) (rest.Profile, error) {
	if err != nil {
		return rest.Profile{}, err
	}
	p := rest.Profile{UserID: string(u.ID), DisplayName: u.DisplayName, AvatarURL: u.AvatarURL, PhoneNumber: u.Phone, CreatedAt: u.CreatedAt}
	if p.DisplayName == "" {
		p.DisplayName = u.ID.Username()
	}
	return p, nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkText accepts one line of text: PostgreSQL cannot hold a NUL, and no list can show a line feed.
func checkText(field, s string, limit int) error {
	if !text.IsLine(s, limit) {
		return fault.Invalid(field, "must be at most %d bytes of text without control characters", limit)
	}
	return nil
}

// checkName accepts a name of a user or of a device; the empty one stands for none. spec: ACC-PROFILE-3
func checkName(field, s string) error {
	if !text.IsName(s, maxName) {
		return fault.Invalid(field, "must be at most %d bytes of something to see, without control characters", maxName)
	}
	return nil
}

// checkProfile checks what is to be changed. Clients load the picture, so no other scheme than those of the web passes.
func checkProfile(in rest.EditProfile) error {
	if in.AvatarURL != nil && *in.AvatarURL != "" && !text.IsURL(*in.AvatarURL, maxAvatarURL) {
		return fault.Invalid("avatarUrl", "must be an http or https URL of at most %d bytes, or a path on this server", maxAvatarURL)
	}
	if in.DisplayName == nil {
		return nil
	}
	return checkName("displayName", *in.DisplayName)
}
