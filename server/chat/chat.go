// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"parley.chat/protocol/id"
)

// options are the flags of `parley chat`.
type options struct {
	server, user, passwordFile, deviceName string
	state, registerToken                   string
	register, plain                        bool
}

// Main runs the client until the user leaves, input ends, or ctx does. It returns the exit code: 0 after leaving, 1
// after an error that was printed, 2 for wrong flags.
func Main(ctx context.Context, args []string, in, out *os.File) int {
	o, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		_, _ = fmt.Fprintln(out, "parley chat:", explain(err))
		return 2
	}
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		o.plain = true
	}
	if err := start(ctx, o, in, out); err != nil {
		_, _ = fmt.Fprintln(out, "parley chat:", explain(err))
		return 1
	}
	return 0
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("parley chat", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&o.server, "server", "http://localhost:8080", "`URL` of the homeserver")
	fs.StringVar(&o.user, "user", "", "your `name` on it")
	fs.StringVar(&o.passwordFile, "password-file", "", "`file` with the password; else PARLEY_PASSWORD, else it is asked for")
	fs.StringVar(&o.deviceName, "device-name", "", "`name` of this device; else one after this machine")
	fs.StringVar(&o.state, "state", "", "`folder` for the session; else one in your configuration folder")
	fs.StringVar(&o.registerToken, "register-token", "", "`token` to register with")
	fs.BoolVar(&o.register, "register", false, "register the account if it does not exist, without asking")
	fs.BoolVar(&o.plain, "plain", false, "plain lines instead of a terminal")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.user == "" {
		return o, errors.New("--user is required")
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(o.user, "@"), "@")
	name, err := id.NormalizeUsername(name)
	o.user = name
	return o, err
}

// start logs in and hands over to the app.
func start(ctx context.Context, o options, in, out *os.File) error {
	p, err := openProfile(o.state, o.server, o.user)
	if err != nil {
		return err
	}
	defer p.close()
	if o.deviceName == "" {
		o.deviceName = deviceName(hostname(), p.n)
	}
	e := entrance{options: o, profile: p, in: in, out: out}
	client, err := e.enter(ctx)
	if err != nil {
		return err
	}
	if p.n > 1 {
		e.say(secondTerminal(p.n, currentName(ctx, client, o.deviceName)))
	}
	s, err := openScreen(o.plain, in, out)
	if err != nil {
		return err
	}
	defer s.close()
	return newApp(client, s, o.plain).run(ctx)
}
