// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley.chat/sdk/sdktest"
)

// talker is a running `parley chat` in plain mode.
type talker struct {
	t     *testing.T
	in    *os.File
	lines chan string
	seen  []string
	code  chan int
}

// talk starts the client of a user with a state folder and registers the account if needed.
func talk(t *testing.T, f *sdktest.Server, user, state string, more ...string) *talker {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--server", f.URL, "--user", user, "--state", state, "--password-file", secret, "--register"}, more...)
	return launch(t, args)
}

func launch(t *testing.T, args []string) *talker {
	t.Helper()
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	k := &talker{t: t, in: inW, lines: make(chan string, 1000), code: make(chan int, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		k.code <- Main(ctx, args, inR, outW)
		_ = outW.Close()
	}()
	go func() {
		defer close(k.lines)
		for s := bufio.NewScanner(outR); s.Scan(); {
			k.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = inW.Close()
		for range k.lines {
			continue
		}
		_, _ = inR.Close(), outR.Close()
	})
	return k
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func (k *talker) enter(line string) {
	k.t.Helper()
	if _, err := fmt.Fprintln(k.in, line); err != nil {
		k.t.Fatal(err)
	}
}

// expect waits for a line that contains the text, and passes over those before it.
func (k *talker) expect(text string) string {
	k.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case line, ok := <-k.lines:
			if !ok {
				k.t.Fatalf("ended without %q; seen:\n%s", text, strings.Join(k.seen, "\n"))
			}
			k.seen = append(k.seen, line)
			if strings.Contains(line, text) {
				return line
			}
		case <-timeout:
			k.t.Fatalf("no line with %q; seen:\n%s", text, strings.Join(k.seen, "\n"))
		}
	}
}

func (k *talker) exit(want int) {
	k.t.Helper()
	select {
	case code := <-k.code:
		if code != want {
			k.t.Fatalf("exit code %d, want %d", code, want)
		}
	case <-time.After(15 * time.Second):
		k.t.Fatal("does not end")
	}
}
