// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// journalBytes bounds the log kept of a server for a failing test.
const journalBytes = 64 << 10

// journal keeps the end of a server's log, and every line that tells of a panic.
type journal struct {
	slog.Handler
	kept *kept
}

type kept struct {
	mu     sync.Mutex
	text   bytes.Buffer
	panics []string
}

func newJournal() *journal {
	k := &kept{}
	return &journal{Handler: slog.NewTextHandler(k, &slog.HandlerOptions{Level: slog.LevelInfo}), kept: k}
}

// Handle implements slog.Handler: access lines of what went well are left out.
func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "request" {
		return nil
	}
	return j.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (j *journal) WithAttrs(a []slog.Attr) slog.Handler {
	return &journal{Handler: j.Handler.WithAttrs(a), kept: j.kept}
}

// WithGroup implements slog.Handler.
func (j *journal) WithGroup(name string) slog.Handler {
	return &journal{Handler: j.Handler.WithGroup(name), kept: j.kept}
}

// Write keeps one line.
func (k *kept) Write(line []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.text.Len() > journalBytes {
		k.text.Next(k.text.Len() / 2)
	}
	k.text.Write(line)
	if s := string(line); strings.Contains(s, "panic") {
		k.panics = append(k.panics, s)
	}
	return len(line), nil
}

func (j *journal) tail() string {
	j.kept.mu.Lock()
	defer j.kept.mu.Unlock()
	return "server log:\n" + j.kept.text.String()
}

// report fails the test if the server panicked, and shows the log of a test that failed.
func (j *journal) report(t testing.TB) {
	j.kept.mu.Lock()
	panics := j.kept.panics
	j.kept.mu.Unlock()
	for _, p := range panics {
		t.Errorf("testenv: the server panicked: %s", p)
	}
	if t.Failed() {
		t.Log(j.tail())
	}
}
