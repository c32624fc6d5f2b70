// SPDX-License-Identifier: Apache-2.0

package key

import (
	"errors"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
)

// wire is a document as JSON.
type wire struct {
	Keys       []current   `json:"keys"`
	OldKeys    []old       `json:"oldKeys"`
	ServerName string      `json:"serverName"`
	Signatures []signature `json:"signatures"`
	Time       int64       `json:"time"`
	V          int64       `json:"v"`
}

type current struct {
	ID         string `json:"id"`
	Key        string `json:"key"`
	ValidFrom  int64  `json:"validFrom"`
	ValidUntil int64  `json:"validUntil"`
}

type old struct {
	ExpiredAt int64  `json:"expiredAt"`
	ID        string `json:"id"`
	IsRevoked bool   `json:"isRevoked"`
	Key       string `json:"key"`
	ValidFrom int64  `json:"validFrom"`
}

type signature struct {
	KeyID     string `json:"keyId"`
	Signature string `json:"signature"`
}

func (w wire) document() (Document, error) {
	d := Document{Server: id.Server(w.ServerName), Time: w.Time}
	if w.V != 1 || w.Time < 0 || !d.Server.IsDomain() {
		return d, errors.New("not a document of version 1")
	}
	for _, k := range w.Keys {
		public, err := canonical.DecodeBase64(k.Key)
		if err != nil {
			return d, errors.New("a key is not base64url")
		}
		d.Keys = append(d.Keys, Key{ID: k.ID, Public: public, From: k.ValidFrom, Until: k.ValidUntil})
	}
	for _, k := range w.OldKeys {
		public, err := canonical.DecodeBase64(k.Key)
		if err != nil {
			return d, errors.New("an old key is not base64url")
		}
		d.Old = append(d.Old, Key{ID: k.ID, Public: public, From: k.ValidFrom, Until: k.ExpiredAt, IsOld: true, IsRevoked: k.IsRevoked})
	}
	return d, d.check()
}

// encode writes the document in its one spelling, without signatures if there are none.
func (d Document) encode(signatures []signature) ([]byte, error) {
	keys, err := appendList(d.Keys, appendCurrent)
	if err != nil {
		return nil, err
	}
	olds, err := appendList(d.Old, appendOld)
	if err != nil {
		return nil, err
	}
	o := canonical.Begin(nil)
	o.Raw("keys", keys)
	o.Raw("oldKeys", olds)
	o.String("serverName", string(d.Server))
	if signatures != nil {
		list, err := appendList(signatures, appendSignature)
		if err != nil {
			return nil, err
		}
		o.Raw("signatures", list)
	}
	o.Int("time", d.Time)
	o.Int("v", 1)
	return o.End()
}

func appendList[T any](values []T, one func([]byte, T) ([]byte, error)) ([]byte, error) {
	out := []byte{'['}
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = one(out, v); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendCurrent(dst []byte, k Key) ([]byte, error) {
	o := canonical.Begin(dst)
	o.String("id", k.ID)
	o.Bytes("key", k.Public)
	o.Int("validFrom", k.From)
	o.Int("validUntil", k.Until)
	return o.End()
}

func appendOld(dst []byte, k Key) ([]byte, error) {
	o := canonical.Begin(dst)
	o.Int("expiredAt", k.Until)
	o.String("id", k.ID)
	o.Bool("isRevoked", k.IsRevoked)
	o.Bytes("key", k.Public)
	o.Int("validFrom", k.From)
	return o.End()
}

func appendSignature(dst []byte, s signature) ([]byte, error) {
	o := canonical.Begin(dst)
	o.String("keyId", s.KeyID)
	o.String("signature", s.Signature)
	return o.End()
}
