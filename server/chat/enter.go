// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"os"
	"strings"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
)

// entrance gets a client logged in, before there is a screen.
type entrance struct {
	options
	profile *profile
	in, out *os.File
}

// enter resumes the stored session if it still holds, else logs in, else registers.
func (e *entrance) enter(ctx context.Context) (*sdk.Client, error) {
	client, err := sdk.New(sdk.Options{BaseURL: e.server, Store: e.profile.store})
	if err != nil {
		return nil, err
	}
	old, known, err := client.Resume(ctx)
	if err != nil {
		return nil, err
	}
	if known {
		_, err := client.Me(ctx)
		if !sdk.SessionEnded(err) {
			return client, nil // Also when the server cannot be reached: Run goes on trying.
		}
		e.say("The stored session ended.")
	}
	return client, e.logIn(ctx, client, old.DeviceID)
}

func (e *entrance) logIn(ctx context.Context, client *sdk.Client, deviceID string) error {
	given, err := e.givenPassword()
	switch {
	case err != nil:
		return err
	case given != "":
		return e.logInGiven(ctx, client, given, deviceID)
	case !e.interactive():
		return errors.New("no terminal to ask for the password: set PARLEY_PASSWORD or use --password-file")
	}
	return e.logInTyped(ctx, client, deviceID)
}

// logInGiven has one try: a password from a file or the environment does not change by asking again.
func (e *entrance) logInGiven(ctx context.Context, client *sdk.Client, password, deviceID string) error {
	if e.register {
		err := e.signUp(ctx, client, password)
		if !fault.Is(err, fault.UsernameTaken) {
			return err
		}
	}
	err := e.login(ctx, client, password, deviceID)
	if !fault.Is(err, fault.WrongCredentials) || e.register {
		return err
	}
	if !e.interactive() {
		return errors.New("wrong password, or no such account (--register makes one)")
	}
	yes, qerr := e.wantsAccount()
	if qerr != nil || !yes {
		return errors.Join(err, qerr)
	}
	err = e.signUp(ctx, client, password)
	if fault.Is(err, fault.UsernameTaken) {
		return errWasWrong
	}
	return err
}

// login keeps the device, if there is one and the server still has it.
func (e *entrance) login(ctx context.Context, client *sdk.Client, password, deviceID string) error {
	in := rest.Login{Username: e.user, Password: password, DeviceID: deviceID, DeviceName: e.deviceName}
	_, err := client.Login(ctx, in)
	if deviceID != "" && (fault.Is(err, fault.UnknownDevice) || fault.Is(err, fault.DeviceRemoved)) {
		in.DeviceID = ""
		_, err = client.Login(ctx, in)
	}
	return err
}

func (e *entrance) signUp(ctx context.Context, client *sdk.Client, password string) error {
	_, err := client.Register(ctx, rest.Register{
		Username: e.user, Password: password, DeviceName: e.deviceName, RegistrationToken: e.registerToken,
	})
	return err
}

// givenPassword is the password from the file or the environment; empty if the user has to type it.
func (e *entrance) givenPassword() (string, error) {
	if e.passwordFile == "" {
		return os.Getenv("PARLEY_PASSWORD"), nil
	}
	raw, err := os.ReadFile(e.passwordFile)
	given := strings.TrimRight(string(raw), "\r\n")
	if err == nil && given == "" {
		err = errors.New("the password is empty")
	}
	return given, err
}
