// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/go-json-experiment/json"

	"parley.chat/federation/replica"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	"parley.chat/server/homeserver"
	"parley.chat/server/verify"
)

const verifyUsage = `parley verify checks, offline, what servers signed.

  parley verify FILE             a transcript of a conversation: parley admin transcript CONVERSATION > FILE
  parley verify FILE KEYS...     a proof that a hub showed two histories, with the keys of the hub as it publishes them at
                                 https://SERVER/federation/v1/keys

The exit code is 0 if everything holds and 1 if something does not.
`

// verifyFile is the command verify.
func verifyFile(args []string, out io.Writer) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(out, verifyUsage)
		return nil
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	if start, _ := r.Peek(64); !bytes.Contains(start, []byte(`"transcript"`)) {
		return verifyProof(r, args[1:], out)
	}
	report, err := verify.Transcript(r)
	describe(report, out)
	if err != nil {
		return fmt.Errorf("%s does not hold: %w", args[0], err)
	}
	fmt.Fprintln(out, "Everything holds: the chain, the right of every sender, and every signature by these keys.")
	return nil
}

func describe(r verify.Report, out io.Writer) {
	fmt.Fprintf(out, "conversation  %s\nreplica of    %s\nhub           %s\nentries       %d to %d, %d messages, %d erased\n",
		r.ConversationID, r.Server, r.Hub, r.First, r.Last, r.Messages, r.Erased)
	if r.Moves > 0 {
		fmt.Fprintf(out, "hub moved     %d times; what the users of a former hub said is vouched for by the hubs that followed\n", r.Moves)
	}
	fmt.Fprintf(out, "signed        %d by the servers of their authors, the head by the hub\nhead          %s\n", r.Signed, hex.EncodeToString(r.Hash[:]))
	fmt.Fprintln(out, "keys          SHA-256 of each; whether they are those of the servers, ask their operators")
	for _, k := range r.Keys {
		fmt.Fprintf(out, "  %s %s\n  %s\n", k.Server, k.KeyID, k.Sum)
	}
}

// maxProof is the largest proof that is read, in bytes.
const maxProof = 64 << 20

func verifyProof(r io.Reader, files []string, out io.Writer) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxProof))
	if err != nil {
		return err
	}
	var proof replica.Proof
	if err := json.Unmarshal(raw, &proof); err != nil {
		return fmt.Errorf("neither a transcript nor a proof: %w", err)
	}
	documents := map[id.Server]key.Document{}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		server, err := key.ServerOf(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if documents[server], err = key.Parse(bytes.TrimSpace(raw), server); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	err = replica.VerifyProof(proof, func(s id.Server, keyID string) (key.Key, error) {
		d, ok := documents[s]
		if !ok {
			return key.Key{}, fmt.Errorf("give a file with the keys of %s", s)
		}
		k, ok := d.Find(keyID)
		if !ok {
			return key.Key{}, fmt.Errorf("%s publishes no key %s", s, keyID)
		}
		return k, nil
	})
	if err != nil {
		return fmt.Errorf("the proof shows nothing: %w", err)
	}
	fmt.Fprintf(out, "The proof holds: %s signed two different entries %d of %s in term %d.\n", proof.Hub, proof.Seq, proof.ConversationID, proof.Term)
	return nil
}

// transcript is the command admin transcript.
func transcript(ctx context.Context, configured []string, name string, out io.Writer) error {
	conv, err := id.ParseConversation(name)
	if err != nil {
		return errors.New("admin transcript takes the id of a conversation, as clients have it")
	}
	cfg, _, err := load("admin", configured)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := homeserver.Transcript(ctx, cfg, conv, w, log); err != nil {
		return err
	}
	return w.Flush()
}
