// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"parley.chat/federation/auth"
	"parley.chat/protocol/id"
	"parley.chat/server/config"
	"parley.chat/server/doctor"
	"parley.chat/server/homeserver"
)

// examine is the command doctor. Its exit code: 0 all is well, 1 something is wrong, 2 it could not be run.
func examine(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	path := flags.String("config", os.Getenv("PARLEY_CONFIG"), "the configuration file (YAML) of a server: the round trip is signed with its key")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 1 {
		fmt.Fprintln(os.Stderr, "parley: doctor takes one server name: parley doctor [-config FILE] [SERVER]")
		return 2
	}
	cfg, err := config.Load(*path, os.Environ())
	if err != nil {
		fmt.Fprintln(os.Stderr, "parley:", err)
		return 2
	}
	o, err := doctorOptions(ctx, cfg, id.Server(flags.Arg(0)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "parley:", err)
		return 2
	}
	if !doctor.Examine(ctx, o, out) {
		return 1
	}
	return 0
}

func doctorOptions(ctx context.Context, cfg config.Config, server id.Server) (doctor.Options, error) {
	peers, err := homeserver.PeerOptions(cfg)
	if err != nil {
		return doctor.Options{}, err
	}
	peers.Admit = nil // Whom the operator does not federate with may still be looked at.
	o := doctor.Options{Server: server, Self: id.Server(cfg.ServerName), Peer: peers}
	if server == "" {
		if cfg.IsLocal() && !cfg.Federation.Enabled {
			return o, errors.New("doctor needs a server name, or -config of a server with one")
		}
		o.Server = o.Self
	}
	if !cfg.Federation.Enabled {
		return o, nil
	}
	if o.Signer, err = signer(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "parley: the round trip will not be signed:", err)
	}
	return o, nil
}

// once is the key that signs now.
type once struct {
	keyID string
	key   ed25519.PrivateKey
}

func (o once) Signing() (string, ed25519.PrivateKey) { return o.keyID, o.key }

func signer(ctx context.Context, cfg config.Config) (auth.Signer, error) {
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "signing.key")); err != nil { // Looking must not make a folder with a new key.
		return nil, err
	}
	ring, done, err := homeserver.OpenKeys(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer done()
	keyID, key := ring.Signing()
	return once{keyID, key}, nil
}
