// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileStore keeps the state in one JSON file with mode 0600, replaced by an atomic rename. One process at a time may
// use a file: the caller sees to that.
type FileStore struct {
	path  string
	turn  chan struct{} // one slot: who holds it may touch state and the file
	state State
}

// OpenFileStore reads the file, which need not exist yet; its folder must.
func OpenFileStore(path string) (*FileStore, error) {
	f := &FileStore{path: path, turn: make(chan struct{}, 1)}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	if err := json.Unmarshal(raw, &f.state); err != nil {
		return nil, fmt.Errorf("read state %s: %w", path, err)
	}
	return f, nil
}

// Load implements Store.
func (f *FileStore) Load(ctx context.Context) (State, error) {
	if err := f.take(ctx); err != nil {
		return State{}, err
	}
	defer f.give()
	return f.state.clone(), nil
}

// Update implements Store.
func (f *FileStore) Update(ctx context.Context, change func(*State)) error {
	if err := f.take(ctx); err != nil {
		return err
	}
	defer f.give()
	next := f.state.clone()
	change(&next)
	raw, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if err := replaceFile(f.path, raw); err != nil {
		return fmt.Errorf("store state: %w", err)
	}
	f.state = next
	return nil
}

func (f *FileStore) take(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *FileStore) give() { <-f.turn }

// replaceFile writes beside the file and renames, so that a crash leaves the old or the new content.
func replaceFile(path string, raw []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".state-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(raw)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
