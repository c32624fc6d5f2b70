// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"parley.chat/sdk"
)

const maxDevices = 16

// profile is the stored session this process may use: the first of a row of files that no other process holds.
type profile struct {
	path  string
	n     int // counts the terminals of the user from 1
	store *sdk.FileStore
	lock  *os.File
}

var errHeld = errors.New("held by another process")

// openProfile finds the profile of the user on the server, below the base folder or, if that is empty, below the
// user's configuration folder.
func openProfile(base, server, user string) (*profile, error) {
	if base == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return nil, fmt.Errorf("no configuration folder, use --state: %w", err)
		}
		base = filepath.Join(config, "parley")
	}
	folder := filepath.Join(base, folderOf(server), user)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	for n := 1; n <= maxDevices; n++ {
		p, err := takeProfile(filepath.Join(folder, fmt.Sprintf("device-%d.json", n)))
		if errors.Is(err, errHeld) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p.n = n
		return p, nil
	}
	return nil, fmt.Errorf("%d terminals of %s run already", maxDevices, user)
}

func takeProfile(path string) (*profile, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := lockFile(lock); err != nil {
		_ = lock.Close()
		return nil, err
	}
	store, err := sdk.OpenFileStore(path)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &profile{path: path, store: store, lock: lock}, nil
}

// close lets another process have the profile.
func (p *profile) close() { _ = p.lock.Close() }

// folderOf names a folder after a server: host and port, with nothing a file system could take amiss.
func folderOf(server string) string {
	name := server
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		name = u.Host + strings.TrimSuffix(u.Path, "/")
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	return "at-" + name
}
