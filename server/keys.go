// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"parley.chat/server/config"
	"parley.chat/server/homeserver"
	"parley.chat/server/keyring"
)

const keysUsage = `parley keys shows and changes the keys this homeserver signs with. It works beside a running server.

  parley keys list   [-config FILE]
  parley keys rotate [-config FILE] [-overlap 168h]        a new key signs; the others go on for the overlap, then only verify
  parley keys revoke [-config FILE] [-since TIME] KEY      the key ends at once, or at a time such as 2026-11-23T12:00:00Z
`

// keyFlags are what follows parley keys VERB.
type keyFlags struct {
	config  string
	overlap time.Duration
	since   string
	rest    []string
}

func readKeyFlags(verb string, args []string) (k keyFlags, err error) {
	flags := flag.NewFlagSet("keys "+verb, flag.ContinueOnError)
	flags.StringVar(&k.config, "config", os.Getenv("PARLEY_CONFIG"), "the configuration file (YAML)")
	if verb == "rotate" {
		flags.DurationVar(&k.overlap, "overlap", keyring.Overlap, "how long the keys before go on signing")
	}
	if verb == "revoke" {
		flags.StringVar(&k.since, "since", "", "since when somebody else may have had the key; now if it is not given")
	}
	err = flags.Parse(args)
	k.rest = flags.Args()
	return k, err
}

// keys is the command.
func keys(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(out, keysUsage)
		return nil
	}
	verbs := map[string]func(context.Context, *keyring.Ring, keyFlags, io.Writer) error{"list": listKeys, "rotate": rotateKeys, "revoke": revokeKey}
	verb, ok := verbs[args[0]]
	if !ok {
		return fmt.Errorf("unknown command keys %q\n\n%s", args[0], keysUsage)
	}
	k, err := readKeyFlags(args[0], args[1:])
	if err != nil {
		return err
	}
	if want := map[string]int{"revoke": 1}[args[0]]; len(k.rest) != want {
		return fmt.Errorf("keys %s takes %d arguments\n\n%s", args[0], want, keysUsage)
	}
	cfg, err := config.Load(k.config, os.Environ())
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ring, done, err := homeserver.OpenKeys(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer done()
	return verb(ctx, ring, k, out)
}

func listKeys(_ context.Context, ring *keyring.Ring, _ keyFlags, out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tSTATE\tFROM\tUNTIL\tHERE")
	for _, k := range ring.List() {
		from, until := "the beginning", "-"
		if k.From > 0 {
			from = stamp(k.From)
		}
		if k.HasEnd {
			until = stamp(k.Until)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.ID, state(k), from, until, map[bool]string{true: "yes", false: "NO: copy its file"}[k.IsAtHand])
	}
	return t.Flush()
}

func state(k keyring.Listed) string {
	switch {
	case k.IsRevoked:
		return "revoked"
	case k.IsOld:
		return "verifies only"
	case k.IsSigning:
		return "signs"
	}
	return "valid"
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

func rotateKeys(ctx context.Context, ring *keyring.Ring, k keyFlags, out io.Writer) error {
	keyID, err := ring.Rotate(ctx, k.overlap)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is published within seconds and signs in two minutes. The keys before it may sign until %s and verify for ever after.\n"+
		"Back up the data folder, and copy signing-%s.key to the data folder of other nodes.\n",
		keyID, stamp(time.Now().Add(k.overlap).UnixMilli()), strings.TrimPrefix(keyID, "ed25519:"))
	return nil
}

func revokeKey(ctx context.Context, ring *keyring.Ring, k keyFlags, out io.Writer) error {
	since := time.Now()
	if k.since != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, k.since); err != nil {
			return errors.New("-since is a time such as 2026-11-23T12:00:00Z")
		}
	}
	if err := ring.Revoke(ctx, k.rest[0], since); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is revoked: what it signed after %s is not to be believed. Other servers learn it when they next ask, within an hour.\n", k.rest[0], stamp(since.UnixMilli()))
	return nil
}
