// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"parley.chat/protocol/id"
)

// identity is what this deployment is, kept in the data folder.
type identity struct {
	node string
	name id.Server
	key  ed25519.PrivateKey // the first one: server/keyring knows which sign
	lock *os.File
}

// errRunning is the cause when another process holds the data folder.
var errRunning = errors.New("is used by another running server")

// keyFile is the server's first signing key, in its data folder.
const keyFile = "signing.key"

// openIdentity makes or reads the node's id and the server's signing key, and locks the folder: two servers with one
// identity would take each other's leases.
func openIdentity(dir, node string, name id.Server) (*identity, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("data folder %s %w; PARLEY_DATA_DIR names another folder", absolute(dir), errRunning)
	}
	i := &identity{node: node, name: name, lock: lock}
	if err := i.read(dir); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return i, nil
}

func (i *identity) read(dir string) error {
	if i.node == "" {
		text, err := keep(filepath.Join(dir, "node-id"), func() string { return "n" + strings.ToLower(rand.Text()[:12]) })
		if err != nil {
			return err
		}
		i.node = text
	}
	text, err := keep(filepath.Join(dir, keyFile), func() string {
		seed := make([]byte, ed25519.SeedSize)
		_, _ = rand.Read(seed) // It never fails (Go 1.24).
		return base64.RawURLEncoding.EncodeToString(seed)
	})
	if err != nil {
		return err
	}
	seed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(seed) != ed25519.SeedSize {
		return errors.New("signing.key in the data folder is damaged: restore it from a backup")
	}
	i.key = ed25519.NewKeyFromSeed(seed)
	return nil
}

func (i *identity) public() ed25519.PublicKey { return i.key.Public().(ed25519.PublicKey) }

func absolute(dir string) string {
	if a, err := filepath.Abs(dir); err == nil {
		return a
	}
	return dir
}

// realm names the deployment in cursors. The first key stays for that when others sign.
func (i *identity) realm() []byte { return i.public() }

// keep reads a small file, or makes it whole: written beside, synced and renamed.
func keep(path string, fresh func() string) (string, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(raw)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("data folder: %w", err)
	}
	text := fresh()
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return text, nil
}
