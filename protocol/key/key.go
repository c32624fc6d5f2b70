// SPDX-License-Identifier: Apache-2.0

package key

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"

	"filippo.io/edwards25519"
)

// Key is a public key of a server and its life, both ends included, in Unix milliseconds.
type Key struct {
	ID        string // "ed25519:<id>"
	Public    ed25519.PublicKey
	From      int64
	Until     int64 // of an old key: when it expired
	IsOld     bool  // it signs nothing any more
	IsRevoked bool  // it ended because somebody else may hold it
}

// Covers reports whether the key's life holds the time: what it signed then is valid. spec: FED-KEYS-6
func (k Key) Covers(at int64) bool { return k.From <= at && at <= k.Until }

// Signs reports whether the key may sign a request at the time. spec: FED-KEYS-5
func (k Key) Signs(at int64) bool { return !k.IsOld && k.Covers(at) }

var idPattern = regexp.MustCompile(`^ed25519:[A-Za-z0-9_]{1,64}$`)

// ID names a public key by its hash.
func ID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return "ed25519:" + strings.NewReplacer("-", "a", "_", "b").Replace(base64.RawURLEncoding.EncodeToString(sum[:6]))
}

// CheckPublic refuses a public key of another length, in another encoding than the canonical one, or of small order.
// spec: FED-KEYS-4 ENC-SIGN-1
func CheckPublic(raw []byte) error {
	if len(raw) != ed25519.PublicKeySize {
		return errors.New("a public key is 32 bytes")
	}
	p, err := new(edwards25519.Point).SetBytes(raw)
	if err != nil {
		return errors.New("the public key is no point of the curve")
	}
	if string(p.Bytes()) != string(raw) {
		return errors.New("the public key is not encoded canonically")
	}
	if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return errors.New("the public key is of small order")
	}
	return nil
}
