// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
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
	err := first(checkTextPtr("displayName", in.DisplayName, maxName), checkAvatar(in.AvatarURL))
	if err != nil {
		return rest.Profile{}, err
	}
	u, err := a.accounts.EditProfile(ctx, c.User, account.Edit{DisplayName: in.DisplayName, AvatarURL: in.AvatarURL, Phone: in.PhoneNumber})
	return ownProfile(u, err)
}

// User returns the profile of any user, as others see it. Faults: invalid_field, unknown_user.
func (a *Accounts) User(ctx context.Context, userID string) (rest.Profile, error) {
	user, err := id.ParseUser(userID)
	if err != nil {
		return rest.Profile{}, err
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
	if len(s) > limit || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fault.Invalid(field, "must be at most %d bytes of text without control characters", limit)
	}
	return nil
}

func checkTextPtr(field string, s *string, limit int) error {
	if s == nil {
		return nil
	}
	return checkText(field, *s, limit)
}

// checkAvatar accepts an http(s) URL, or a path on this server. Clients load it, so no other scheme passes.
func checkAvatar(s *string) error {
	if s == nil || *s == "" {
		return nil
	}
	u, err := url.Parse(*s)
	web := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
	path := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(*s, "/") && !strings.HasPrefix(*s, "//") && !strings.Contains(*s, `\`)
	if len(*s) > maxAvatarURL || (!web && !path) || checkText("", *s, maxAvatarURL) != nil {
		return fault.Invalid("avatarUrl", "must be an http or https URL of at most %d bytes, or a path on this server", maxAvatarURL)
	}
	return nil
}
