// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Key is one that a homeserver signs with.
type Key struct {
	ID      string // "ed25519:…"
	Private ed25519.PrivateKey
}

// NewKey makes a key.
func NewKey(id string) Key {
	return Key{ID: "ed25519:" + id, Private: ed25519.NewKeyFromSeed(Random(ed25519.SeedSize))}
}

// Public returns the public part in base64url.
func (k Key) Public() string { return Base64(k.Private.Public().(ed25519.PublicKey)) }

// Entry returns the key as a document lists it.
func (k Key) Entry(from, until time.Time) Object {
	return Object{"id": k.ID, "key": k.Public(), "validFrom": from.UnixMilli(), "validUntil": until.UnixMilli()}
}

// Keys returns an honest, unsigned document.
func Keys(server string, at time.Time, keys ...Key) Object {
	list := []any{}
	for _, k := range keys {
		list = append(list, k.Entry(time.UnixMilli(0), at.Add(24*time.Hour)))
	}
	return Object{"keys": list, "oldKeys": []any{}, "serverName": server, "time": at.UnixMilli(), "v": int64(1)}
}

// SignKeys returns the document signed by the keys.
func SignKeys(doc Object, keys ...Key) Object {
	out, list := Clone(doc), []any{}
	delete(out, "signatures")
	text := Encode(out)
	for _, k := range keys {
		list = append(list, Object{"keyId": k.ID, "signature": Sign(k.Private, "server_keys", text)})
	}
	out["signatures"] = list
	return out
}

// Ring are the keys a server published.
type Ring struct {
	Server string
	Time   int64
	list   []ringKey
}

type ringKey struct {
	id          string
	public      []byte
	from, until int64
	isOld       bool
}

// First returns the id of the first key.
func (r Ring) First() string { return r.list[0].id }

// Life returns the public key that the id names if its life holds the time in Unix milliseconds.
func (r Ring) Life(id string, at int64) ([]byte, error) {
	for _, k := range r.list {
		if k.id == id {
			if at < k.from || at > k.until {
				return nil, fmt.Errorf("key %s lives from %d to %d, and it is %d", id, k.from, k.until, at)
			}
			return k.public, nil
		}
	}
	return nil, fmt.Errorf("%s has no key %s", r.Server, id)
}

// RequestKey is Life of keys that still sign.
func (r Ring) RequestKey(id string, at int64) ([]byte, error) {
	for _, k := range r.list {
		if k.id == id && k.isOld {
			return nil, fmt.Errorf("key %s is an old one", id)
		}
	}
	return r.Life(id, at)
}

var keyIDForm = regexp.MustCompile(`^ed25519:[A-Za-z0-9_]{1,64}$`)

// ReadKeys reads the document that a server answered with.
func ReadKeys(raw []byte, server string) (Ring, error) {
	doc, err := Parse(raw)
	if err != nil {
		return Ring{}, err
	}
	if err := exactly(doc, "keys", "oldKeys", "serverName", "signatures", "time", "v"); err != nil {
		return Ring{}, fmt.Errorf("keys: %w", err)
	}
	r := Ring{}
	r.Server, _ = doc["serverName"].(string)
	r.Time, _ = doc["time"].(int64)
	if r.Server != server || doc["v"] != int64(1) || r.Time < 0 {
		return Ring{}, fmt.Errorf("keys: of %q, version %v, time %v", doc["serverName"], doc["v"], doc["time"])
	}
	if err := r.read(doc["keys"], 1, 8, false); err != nil {
		return Ring{}, err
	}
	current := len(r.list)
	if err := r.read(doc["oldKeys"], 0, 256, true); err != nil {
		return Ring{}, err
	}
	return r, checkSignatures(doc, r.list[:current])
}

func (r *Ring) read(v any, least, most int, isOld bool) error {
	list, ok := v.([]any)
	if !ok || len(list) < least || len(list) > most {
		return fmt.Errorf("keys: a list has not %d to %d", least, most)
	}
	for _, e := range list {
		k, err := readKey(e, isOld)
		if err != nil {
			return fmt.Errorf("keys: %w", err)
		}
		for _, other := range r.list {
			if other.id == k.id {
				return fmt.Errorf("keys: %s is there twice", k.id)
			}
		}
		r.list = append(r.list, k)
	}
	return nil
}

func readKey(v any, isOld bool) (ringKey, error) {
	o, _ := v.(Object)
	members, end := []string{"id", "key", "validFrom", "validUntil"}, "validUntil"
	if isOld {
		members, end = []string{"id", "key", "validFrom", "expiredAt", "isRevoked"}, "expiredAt"
	}
	if err := exactly(o, members...); err != nil {
		return ringKey{}, err
	}
	k := ringKey{isOld: isOld}
	k.id, _ = o["id"].(string)
	text, _ := o["key"].(string)
	var isFrom, isUntil bool
	k.from, isFrom = o["validFrom"].(int64)
	k.until, isUntil = o[end].(int64)
	if _, isBool := o["isRevoked"].(bool); !keyIDForm.MatchString(k.id) || !isFrom || !isUntil || k.from < 0 || isOld && !isBool {
		return ringKey{}, fmt.Errorf("a key is %s", Encode(o))
	}
	raw, err := FromBase64(text)
	if err != nil {
		return ringKey{}, err
	}
	k.public = raw
	return k, CheckPoint(raw)
}

// checkSignatures wants at least one, each by a current key, in the order of the keys.
func checkSignatures(doc Object, keys []ringKey) error {
	unsigned := Clone(doc)
	delete(unsigned, "signatures")
	text := Encode(unsigned)
	list, _ := doc["signatures"].([]any)
	if len(list) == 0 {
		return errors.New("keys: not signed")
	}
	for _, v := range list {
		o, _ := v.(Object)
		if err := exactly(o, "keyId", "signature"); err != nil {
			return err
		}
		for len(keys) > 0 && keys[0].id != o["keyId"] {
			keys = keys[1:]
		}
		sig, _ := o["signature"].(string)
		if len(keys) == 0 || !Verify(keys[0].public, "server_keys", text, sig) {
			return fmt.Errorf("keys: the signature of %v is not by a key that is listed, in their order", o["keyId"])
		}
		keys = keys[1:]
	}
	return nil
}

// exactly wants an object to have these members and no others.
func exactly(o Object, members ...string) error {
	for _, m := range members {
		if _, ok := o[m]; !ok {
			return fmt.Errorf("member %s is missing", m)
		}
	}
	if len(o) != len(members) {
		return fmt.Errorf("members %s, want %v", Encode(o), members)
	}
	return nil
}
