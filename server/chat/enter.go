// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
)

// entrance gets a client logged in, before there is a screen.
type entrance struct {
	options
	profile *profile
	in, out *os.File
	given   string // the password, once known
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
	if e.register {
		err := e.signUp(ctx, client)
		if !fault.Is(err, fault.UsernameTaken) {
			return err
		}
	}
	password, err := e.password("Password: ")
	if err != nil {
		return err
	}
	in := rest.Login{Username: e.user, Password: password, DeviceID: deviceID, DeviceName: e.deviceName}
	_, err = client.Login(ctx, in)
	if deviceID != "" && (fault.Is(err, fault.UnknownDevice) || fault.Is(err, fault.DeviceRemoved)) {
		in.DeviceID = ""
		_, err = client.Login(ctx, in)
	}
	if !fault.Is(err, fault.WrongCredentials) || e.register || !e.interactive() {
		return hint(err, e.register)
	}
	// The server does not tell whether it was the name or the password.
	yes, qerr := e.ask("Wrong password, or no account " + e.user + " on " + e.server + ". Create it? [y/N] ")
	if qerr != nil || !yes {
		return errors.Join(err, qerr)
	}
	if again, rerr := e.readSecret("Password again: "); rerr != nil || again != password {
		return errors.Join(errors.New("the passwords differ"), rerr)
	}
	err = e.signUp(ctx, client)
	if fault.Is(err, fault.UsernameTaken) {
		return errors.New("the account exists, so the password was wrong")
	}
	return err
}

func hint(err error, registering bool) error {
	if fault.Is(err, fault.WrongCredentials) && !registering {
		return fmt.Errorf("wrong password, or no such account (--register makes one)")
	}
	return err
}

func (e *entrance) signUp(ctx context.Context, client *sdk.Client) error {
	password, err := e.password("Password: ")
	if err != nil {
		return err
	}
	_, err = client.Register(ctx, rest.Register{
		Username: e.user, Password: password, DeviceName: e.deviceName, RegistrationToken: e.registerToken,
	})
	return err
}

// password finds the password once: from the file, the environment, or the user.
func (e *entrance) password(prompt string) (string, error) {
	if e.given != "" {
		return e.given, nil
	}
	var err error
	switch fromEnv := os.Getenv("PARLEY_PASSWORD"); {
	case e.passwordFile != "":
		var raw []byte
		raw, err = os.ReadFile(e.passwordFile)
		e.given = strings.TrimRight(string(raw), "\r\n")
	case fromEnv != "":
		e.given = fromEnv
	default:
		e.given, err = e.readSecret(prompt)
	}
	if err == nil && e.given == "" {
		err = errors.New("the password is empty")
	}
	return e.given, err
}

func (e *entrance) readSecret(prompt string) (string, error) {
	if e.passwordFile != "" || os.Getenv("PARLEY_PASSWORD") != "" {
		return e.given, nil // Nothing to type a second time.
	}
	if !e.interactive() {
		return "", errors.New("no terminal to ask for the password: set PARLEY_PASSWORD or use --password-file")
	}
	_, _ = fmt.Fprint(e.out, prompt)
	raw, err := term.ReadPassword(int(e.in.Fd()))
	e.say("")
	return string(raw), err
}

func (e *entrance) interactive() bool { return term.IsTerminal(int(e.in.Fd())) }

func (e *entrance) say(s string) { _, _ = fmt.Fprintln(e.out, s) }

func (e *entrance) ask(question string) (bool, error) {
	_, _ = fmt.Fprint(e.out, question)
	s, err := readLine(e.in)
	s = strings.ToLower(strings.TrimSpace(s))
	return s == "y" || s == "yes", err
}

// readLine reads bytewise, so that nothing behind the line is taken away from whoever reads next.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for len(line) < 1024 {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	return string(line), nil
}
