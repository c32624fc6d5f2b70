// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/frame"
)

func stores(t *testing.T) map[string]Store {
	t.Helper()
	file, err := OpenFileStore(filepath.Join(t.TempDir(), "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Store{"memory": NewMemoryStore(), "file": file}
}

func TestStore_LoadGivesWhatUpdateLeft(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			want := State{
				Session: &Session{UserID: "alice@x", AccessToken: "a", ExpiresAt: time.Unix(1, 0).UTC()}, Cursor: "7",
				High: map[string]int64{"c": 3}, Outbox: []frame.Send{{TempID: "t", Content: "x"}},
			}
			if err := s.Update(t.Context(), func(st *State) { *st = want.clone() }); err != nil {
				t.Fatal(err)
			}
			got, err := s.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			// What Load gave is a copy.
			got.High["c"], got.Session.UserID, got.Outbox[0].TempID = 9, "mallory@x", "other"
			if again, _ := s.Load(t.Context()); cmp.Diff(want, again) != "" {
				t.Errorf("the copy is shared: %+v", again)
			}
		})
	}
}

func TestStore_UpdatesDoNotOverwriteEachOther(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					err := s.Update(t.Context(), func(st *State) { st.advance("", map[string]int64{"c": st.High["c"] + 1}) })
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if st, err := s.Load(t.Context()); err != nil || st.High["c"] != 20 {
				t.Errorf("%v, %v", st.High, err)
			}
		})
	}
}

func TestFileStore_SurvivesReopeningAndIsPrivate(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "state.json")
	s, err := OpenFileStore(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(st *State) { st.Cursor = "9" }); err != nil {
		t.Fatal(err)
	}
	again, err := OpenFileStore(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := again.Load(t.Context()); st.Cursor != "9" {
		t.Errorf("cursor %q", st.Cursor)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("left over: %v", files)
	}
}

func TestFileStore_FailedWriteChangesNothing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := OpenFileStore(filepath.Join(folder, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(st *State) { st.Cursor = "9" }); err == nil {
		t.Fatal("stored into nowhere")
	}
	if st, _ := s.Load(t.Context()); st.Cursor != "" {
		t.Errorf("cursor %q", st.Cursor)
	}
}

func TestFileStore_DamagedFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFileStore(path); err == nil {
		t.Error("a damaged file is accepted")
	}
}

func TestFileStore_WaitingEndsWithTheContext(t *testing.T) {
	s, err := OpenFileStore(filepath.Join(t.TempDir(), "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	s.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(ctx, func(*State) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
