// SPDX-License-Identifier: Apache-2.0

package key

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
)

// Bounds of a document.
const (
	MaxCurrent = 8
	MaxOld     = 256
)

// domain separates signatures over documents from all others.
const domain = "server_keys"

// Document is what a server publishes: the keys it signs with now, and those it signed with.
type Document struct {
	Server id.Server
	Time   int64 // of signing, Unix milliseconds
	Keys   []Key // 1 to MaxCurrent
	Old    []Key // at most MaxOld
}

// Find returns the key of that id, current or old.
func (d Document) Find(keyID string) (Key, bool) {
	for _, list := range [][]Key{d.Keys, d.Old} {
		for _, k := range list {
			if k.ID == keyID {
				return k, true
			}
		}
	}
	return Key{}, false
}

// Sign returns the document as it is published, signed by every current key whose private part is given by its id; one at
// least must be. spec: FED-KEYS-1 FED-KEYS-2
func (d Document) Sign(private map[string]ed25519.PrivateKey) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	unsigned, err := d.encode(nil)
	if err != nil {
		return nil, err
	}
	msg := canonical.AppendMessage(nil, domain, unsigned)
	var list []signature
	for _, k := range d.Keys {
		own, ok := private[k.ID]
		if !ok {
			continue
		}
		if len(own) != ed25519.PrivateKeySize || !bytes.Equal(own[32:], k.Public) {
			return nil, fmt.Errorf("sign keys: the private key of %s is another one", k.ID)
		}
		list = append(list, signature{KeyID: k.ID, Signature: canonical.EncodeBase64(ed25519.Sign(own, msg))})
	}
	if len(list) == 0 {
		return nil, errors.New("sign keys: no private key of a current key is at hand")
	}
	return d.encode(list)
}

// Parse reads the document that a server published and checks everything but its age: the spelling, the keys and the
// signatures. The error says what is wrong and is fit for an operator. spec: FED-KEYS-1 FED-KEYS-2 FED-KEYS-3
func Parse(raw []byte, server id.Server) (Document, error) {
	if err := canonical.Check(raw); err != nil {
		return Document{}, fmt.Errorf("keys of %s: %w", server, err)
	}
	var w wire
	if err := json.Unmarshal(raw, &w, json.RejectUnknownMembers(true)); err != nil {
		return Document{}, fmt.Errorf("keys of %s: not a document of version 1: %w", server, err)
	}
	d, err := w.document()
	if err != nil {
		return Document{}, fmt.Errorf("keys of %s: %w", server, err)
	}
	if d.Server != server {
		return Document{}, fmt.Errorf("keys of %s: the document is of %s", server, d.Server)
	}
	if err := d.verify(raw, w.Signatures); err != nil {
		return Document{}, fmt.Errorf("keys of %s: %w", server, err)
	}
	return d, nil
}

// ServerOf is the server that a document says it is of; nothing else of it is read.
func ServerOf(raw []byte) (id.Server, error) {
	var w struct {
		ServerName string `json:"serverName"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return "", fmt.Errorf("keys: not a document: %w", err)
	}
	return id.ParseServer(w.ServerName)
}

func (d Document) verify(raw []byte, signatures []signature) error {
	unsigned, err := d.encode(nil)
	if err != nil {
		return err
	}
	msg := canonical.AppendMessage(nil, domain, unsigned)
	rest := d.Keys
	for _, s := range signatures {
		for len(rest) > 0 && rest[0].ID != s.KeyID {
			rest = rest[1:]
		}
		sig, err := canonical.DecodeBase64(s.Signature)
		if err != nil || len(sig) != ed25519.SignatureSize || len(rest) == 0 {
			return errors.New("signatures are by current keys, each once at most, in the order of the keys")
		}
		if !ed25519.Verify(rest[0].Public, msg, sig) {
			return fmt.Errorf("the signature of %s does not verify", s.KeyID)
		}
		rest = rest[1:]
	}
	if len(signatures) == 0 {
		return errors.New("no current key signed")
	}
	whole, err := d.encode(signatures)
	if err != nil {
		return err
	}
	if !bytes.Equal(whole, raw) {
		return errors.New("members are missing or not as they would be written")
	}
	return nil
}

func (d Document) check() error {
	if len(d.Keys) < 1 || len(d.Keys) > MaxCurrent || len(d.Old) > MaxOld {
		return fmt.Errorf("a document has 1 to %d keys and at most %d old ones", MaxCurrent, MaxOld)
	}
	seen := map[string]bool{}
	for _, list := range [][]Key{d.Keys, d.Old} {
		for _, k := range list {
			if !idPattern.MatchString(k.ID) || seen[k.ID] {
				return errors.New("a key id is malformed or given twice")
			}
			seen[k.ID] = true
			if k.From < 0 || k.Until < k.From {
				return fmt.Errorf("key %s ends before it begins", k.ID)
			}
			if err := CheckPublic(k.Public); err != nil {
				return fmt.Errorf("key %s: %w", k.ID, err)
			}
		}
	}
	return nil
}
