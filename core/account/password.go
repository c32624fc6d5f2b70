// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"parley.chat/protocol/fault"
)

// Hasher turns passwords into PHC strings. Both methods cost much and answer rate_limited when too many wait.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
	// Verify does the same work for an empty phc, which no password matches. stale: phc has weaker parameters than new ones.
	Verify(ctx context.Context, phc, password string) (ok, stale bool, err error)
}

// Cost is the price of one hash. The zero value means the default: 19 MiB, 2 passes, 1 lane.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// Argon2 hashes with Argon2id, at most slots at a time: memory is bounded by slots × MemoryKiB.
type Argon2 struct {
	cost  Cost
	slots chan struct{}
	wait  time.Duration
	decoy string
}

const (
	saltBytes   = 16
	keyBytes    = 32
	defaultWait = 500 * time.Millisecond
	// maxMemoryKiB bounds what a stored hash may ask for.
	maxMemoryKiB = 1 << 20
)

// NewArgon2 makes a hasher. slots 0 means twice the cores; wait 0 means half a second.
func NewArgon2(cost Cost, slots int, wait time.Duration) *Argon2 {
	if cost == (Cost{}) {
		cost = Cost{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1}
	}
	if slots <= 0 {
		slots = 2 * runtime.GOMAXPROCS(0)
	}
	if wait <= 0 {
		wait = defaultWait
	}
	a := &Argon2{cost: cost, slots: make(chan struct{}, slots), wait: wait}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // Never fails.
	a.decoy = cost.phc(newSalt(), key)
	return a
}

// Hash makes a PHC string with a fresh salt.
func (a *Argon2) Hash(ctx context.Context, password string) (string, error) {
	if err := a.enter(ctx); err != nil {
		return "", err
	}
	defer a.leave()
	salt := newSalt()
	return a.cost.phc(salt, a.cost.key(password, salt)), nil
}

// Verify compares in constant time.
func (a *Argon2) Verify(ctx context.Context, phc, password string) (ok, stale bool, err error) {
	real := phc != ""
	if !real {
		phc = a.decoy
	}
	cost, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, false, err
	}
	if err := a.enter(ctx); err != nil {
		return false, false, err
	}
	defer a.leave()
	got := cost.key(password, salt)
	return subtle.ConstantTimeCompare(got, want) == 1 && real, cost != a.cost, nil
}

func (a *Argon2) enter(ctx context.Context) error {
	timer := time.NewTimer(a.wait)
	defer timer.Stop()
	select {
	case a.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fault.Retry(fault.RateLimited, 2*time.Second, "too many logins at once")
	}
}

func (a *Argon2) leave() { <-a.slots }

func newSalt() []byte {
	b := make([]byte, saltBytes)
	_, _ = rand.Read(b) // Never fails.
	return b
}

func (c Cost) key(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, c.Passes, c.MemoryKiB, c.Lanes, keyBytes)
}

func (c Cost) phc(salt, key []byte) string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.MemoryKiB, c.Passes, c.Lanes, enc.EncodeToString(salt), enc.EncodeToString(key))
}

var errPHC = errors.New("stored password hash is not an Argon2id PHC string")

func parsePHC(phc string) (c Cost, salt, key []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.MemoryKiB, &c.Passes, &c.Lanes); err != nil {
		return c, nil, nil, errPHC
	}
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(key) != keyBytes || c.Passes == 0 || c.Passes > 64 || c.Lanes == 0 || c.MemoryKiB > maxMemoryKiB {
		return c, nil, nil, errPHC
	}
	return c, salt, key, nil
}
