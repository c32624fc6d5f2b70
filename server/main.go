// SPDX-License-Identifier: Apache-2.0

// Command parley is the homeserver and its tools: serve, migrate, ready, admin, keys, doctor, verify, test-ca, chat, version.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"parley.chat/server/chat"
	"parley.chat/server/config"
	"parley.chat/server/homeserver"
)

const usage = `parley is a federated chat homeserver.

  parley serve   [-config FILE]   run the homeserver
  parley migrate [-config FILE]   bring the databases to this release and exit
  parley ready   [-config FILE]   exit with 0 if the server on this machine is ready
  parley admin   [-config FILE]   moderators, accounts, reports; see parley admin help
  parley keys    list|rotate|revoke   the keys this homeserver signs with; parley keys help
  parley doctor  [-config FILE] [SERVER]   what keeps this or another server from federating, and how to mend it
  parley verify  FILE [KEYS...]   check an exported conversation, or a proof against a hub; parley verify help
  parley test-ca [-dir DIR] NAME...   a private authority and certificates, for test deployments only
  parley chat    [--help]         a terminal client
  parley version                  print the version

Without -config the defaults of docs/config.md hold; PARLEY_... variables win over both.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	switch args[0] {
	case "serve":
		return report(serve(ctx, args[1:]))
	case "migrate":
		return report(migrate(ctx, args[1:]))
	case "ready":
		return report(ready(ctx, args[1:], os.Stdout))
	case "admin":
		return report(admin(ctx, args[1:], os.Stdin, os.Stdout))
	case "keys":
		return report(keys(ctx, args[1:], os.Stdout))
	case "doctor":
		return examine(ctx, args[1:], os.Stdout)
	case "verify":
		return report(verifyFile(args[1:], os.Stdout))
	case "test-ca":
		return report(testCA(args[1:], os.Stdout))
	case "chat":
		return chat.Main(ctx, args[1:], os.Stdin, os.Stdout)
	case "version", "--version", "-v":
		fmt.Println("parley", homeserver.Version)
		return 0
	case "help", "--help", "-h":
		fmt.Print(usage)
		return 0
	}
	fmt.Fprintf(os.Stderr, "parley: unknown command %q\n\n%s", args[0], usage)
	return 2
}

func report(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "parley:", err)
	return 1
}

func load(name string, args []string) (config.Config, *slog.Logger, error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	path := flags.String("config", os.Getenv("PARLEY_CONFIG"), "the configuration file (YAML)")
	if err := flags.Parse(args); err != nil {
		return config.Config{}, nil, err
	}
	if flags.NArg() > 0 {
		return config.Config{}, nil, fmt.Errorf("%s takes no argument %q", name, flags.Arg(0))
	}
	cfg, err := config.Load(*path, os.Environ())
	return cfg, logger(cfg.Log, os.Stderr), err
}

func logger(l config.Log, out io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: l.SlogLevel()}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, o))
	}
	return slog.New(slog.NewTextHandler(out, o))
}

// gcPercent trades memory for CPU: the heap of a node is small beside what its connections hold elsewhere.
const gcPercent = 200

func serve(ctx context.Context, args []string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	cfg, log, err := load("serve", args)
	if err != nil {
		return err
	}
	h, err := homeserver.New(ctx, cfg, log, homeserver.Options{Fail: failpoint()})
	if err != nil {
		return err
	}
	defer profile()()
	fmt.Fprint(os.Stdout, h.Greeting())
	return h.Run(ctx)
}

func migrate(ctx context.Context, args []string) error {
	cfg, log, err := load("migrate", args)
	if err != nil {
		return err
	}
	h, err := homeserver.New(ctx, cfg, log, homeserver.Options{})
	if err != nil {
		return err
	}
	h.Close()
	fmt.Println("The databases are current.")
	return nil
}
