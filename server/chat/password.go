// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"

	"parley.chat/protocol/fault"
	"parley.chat/sdk"
)

const (
	maxTries = 3 // of typing a password

	// The length of every password in bytes, as in spec/limits.yaml.
	minPassword = 8
	maxPassword = 256
)

// retype is what is wrong with a typed password, so that typing another one helps.
type retype string

func (r retype) Error() string { return string(r) }

const (
	errWasWrong = retype("the account exists, so the password was wrong")
	errWrong    = retype("wrong password")
	errNobody   = retype("wrong password, or no such account")
	errDiffer   = retype("the two passwords differ")
)

// fits tells what is wrong with the length of a password.
func fits(password string) error {
	switch n := len(password); {
	case n < minPassword:
		return retype(fmt.Sprintf("too short: a password has %d to %d bytes", minPassword, maxPassword))
	case n > maxPassword:
		return retype(fmt.Sprintf("too long: a password has %d to %d bytes", minPassword, maxPassword))
	}
	return nil
}

// logInTyped asks for the password, and once whether to make the account if there may be none.
func (e *entrance) logInTyped(ctx context.Context, client *sdk.Client, deviceID string) error {
	wrong, asked := errWrong, true // Who had a device has an account.
	if deviceID == "" {
		wrong, asked = errNobody, false
		e.say(fmt.Sprintf("The password of %s on %s; for a new account choose one of %d to %d bytes.",
			e.user, e.server, minPassword, maxPassword))
	}
	return e.tries("Password: ", "", func(password string) error {
		err := e.login(ctx, client, password, deviceID)
		if !fault.Is(err, fault.WrongCredentials) {
			return err
		}
		if asked {
			return wrong
		}
		asked = true
		err = e.offer(ctx, client, password)
		if errors.Is(err, errWasWrong) {
			wrong = errWrong
		}
		return err
	})
}

// offer makes the account if the user wants that.
func (e *entrance) offer(ctx context.Context, client *sdk.Client, password string) error {
	if !e.register {
		yes, err := e.wantsAccount()
		if err != nil {
			return err
		}
		if !yes {
			return errNobody
		}
	}
	err := e.create(ctx, client, password)
	if fault.Is(err, fault.UsernameTaken) {
		return errWasWrong
	}
	return err
}

// create makes the account after the password was typed twice.
func (e *entrance) create(ctx context.Context, client *sdk.Client, password string) error {
	return e.tries("New password: ", password, func(password string) error {
		again, err := e.readSecret("Password again: ")
		if err != nil {
			return err
		}
		if again != password {
			return errDiffer
		}
		err = e.signUp(ctx, client, password)
		var f *fault.Error
		if errors.As(err, &f) && f.Code == fault.InvalidField && f.Field == "password" {
			return retype(explain(err)) // A server with a rule of its own.
		}
		return err
	})
}

// tries lets the user type a password until use takes it, fails for another reason, or it was tried too often. The first
// password may be typed already.
func (e *entrance) tries(prompt, password string, use func(password string) error) error {
	for left := maxTries - 1; ; left-- {
		var err error
		if password == "" {
			password, err = e.readSecret(prompt)
		}
		if err == nil {
			err = fits(password)
		}
		if err == nil {
			err = use(password)
		}
		var wrong retype
		if !errors.As(err, &wrong) {
			return err
		}
		if left == 0 {
			// No longer a retype: who called this within another try must not go on.
			return fmt.Errorf("%s; that was the last of %d tries", wrong, maxTries)
		}
		e.say(fmt.Sprintf("! %s; tries left: %d", wrong, left))
		password = ""
	}
}
