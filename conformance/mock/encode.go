// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Encode writes a value in the one encoding of signed JSON. It checks no bounds: a case may want to break them.
func Encode(v any) string {
	var b strings.Builder
	encode(&b, v)
	return b.String()
}

func encode(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case string:
		encodeText(b, v)
	case Raw:
		b.WriteString(string(v))
	case []any:
		encodeList(b, v)
	case []string:
		encodeList(b, v)
	case []Object:
		encodeList(b, v)
	case Object:
		b.WriteByte('{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteByte(',')
			}
			encodeText(b, key)
			b.WriteByte(':')
			encode(b, v[key])
		}
		b.WriteByte('}')
	default:
		panic(fmt.Sprintf("signed JSON has no %T", v))
	}
}

// Raw is a value that is written as it is, canonical or not.
type Raw string

func encodeList[E any](b *strings.Builder, list []E) {
	b.WriteByte('[')
	for i, e := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		encode(b, e)
	}
	b.WriteByte(']')
}

func encodeText(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= 0x20:
			b.WriteByte(c)
		case strings.IndexByte("\b\t\n\f\r", c) >= 0:
			b.WriteByte('\\')
			b.WriteByte("btn_fr"[c-'\b'])
		default:
			fmt.Fprintf(b, `\u%04x`, c)
		}
	}
	b.WriteByte('"')
}

// Clone returns a copy that shares nothing that can be changed.
func Clone(o Object) Object {
	out := Object{}
	for key, v := range o {
		out[key] = cloneValue(v)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case Object:
		return Clone(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneValue(e)
		}
		return out
	}
	return v
}

// Hash is the hash of an object's encoding in a domain.
func Hash(domain, canonical string) [32]byte {
	return sha256.Sum256([]byte("parley/v1/" + domain + "\n" + canonical))
}

// HashText is Hash as objects have it.
func HashText(domain, canonical string) string {
	sum := Hash(domain, canonical)
	return Base64(sum[:])
}

// ContentHash is what a submission commits to.
func ContentHash(salt []byte, content string) string {
	sum := sha256.Sum256([]byte("parley/v1/content\n" + string(salt) + content))
	return Base64(sum[:])
}

// Base64 writes bytes as signed objects have them.
func Base64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// FromBase64 reads bytes in their one spelling.
func FromBase64(text string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || Base64(raw) != text { // The decoder skips line breaks.
		return nil, fmt.Errorf("%.100q is not base64url", text)
	}
	return raw, nil
}

// Sign signs an object's encoding in a domain.
func Sign(key ed25519.PrivateKey, domain, canonical string) string {
	return Base64(ed25519.Sign(key, []byte("parley/v1/"+domain+"\n"+canonical)))
}

// Verify tells whether the signature is by the key over the object's encoding in a domain.
func Verify(public []byte, domain, canonical, signature string) bool {
	sig, err := FromBase64(signature)
	if err != nil || len(sig) != ed25519.SignatureSize || len(public) != ed25519.PublicKeySize {
		return false
	}
	return ed25519.Verify(public, []byte("parley/v1/"+domain+"\n"+canonical), sig)
}

// Random returns n bytes nobody can guess.
func Random(n int) []byte {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // It never fails (Go 1.24).
	return raw
}
