// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Bounds of signed JSON, version 1.
const (
	maxBytes   = 65_536
	maxDepth   = 16
	maxMembers = 256
	maxInteger = 1<<53 - 1
)

// Object is an object of signed JSON. Its values are Object, []any, string, int64, bool and nil.
type Object = map[string]any

// Parse reads an object of signed JSON, version 1, which must be in its one encoding.
func Parse(raw []byte) (Object, error) {
	if len(raw) > maxBytes {
		return nil, fmt.Errorf("signed JSON: %d bytes", len(raw))
	}
	return parse(raw)
}

// ParseState is Parse without the bound on the size, which does not hold for a state.
func ParseState(raw []byte) (Object, error) { return parse(raw) }

func parse(raw []byte) (Object, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("signed JSON: not UTF-8")
	}
	p := &parser{raw: raw}
	v, err := p.value(0)
	if err != nil {
		return nil, fmt.Errorf("signed JSON: at byte %d: %w", p.at, err)
	}
	o, ok := v.(Object)
	if !ok {
		return nil, errors.New("signed JSON: the value at the top is no object")
	}
	if p.at != len(raw) {
		return nil, errors.New("signed JSON: something follows")
	}
	if Encode(o) != string(raw) {
		return nil, errors.New("signed JSON: not in its one encoding")
	}
	return o, nil
}

// parser takes the grammar without white space; whatever else is not canonical shows when the value is written again.
type parser struct {
	raw []byte
	at  int
}

var errSyntax = errors.New("unexpected character or end")

func (p *parser) peek() byte {
	if p.at < len(p.raw) {
		return p.raw[p.at]
	}
	return 0
}

func (p *parser) take(text string) bool {
	if len(p.raw)-p.at < len(text) || string(p.raw[p.at:p.at+len(text)]) != text {
		return false
	}
	p.at += len(text)
	return true
}

// value reads a value; depth counts the containers around it.
func (p *parser) value(depth int) (any, error) {
	switch c := p.peek(); {
	case c == '{' || c == '[':
		if depth == maxDepth {
			return nil, errors.New("too deep")
		}
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case c == '"':
		return p.text()
	case c == '-' || c >= '0' && c <= '9':
		return p.integer()
	case p.take("true"):
		return true, nil
	case p.take("false"):
		return false, nil
	case p.take("null"):
		return nil, nil
	}
	return nil, errSyntax
}

func (p *parser) object(depth int) (any, error) {
	p.at++
	out := Object{}
	for !p.take("}") {
		if len(out) > 0 && !p.take(",") {
			return nil, errSyntax
		}
		if p.peek() != '"' {
			return nil, errSyntax
		}
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		if _, twice := out[key]; twice || !isKey(key) || len(out) == maxMembers {
			return nil, fmt.Errorf("member %.80q", key)
		}
		if !p.take(":") {
			return nil, errSyntax
		}
		if out[key], err = p.value(depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func isKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}

func (p *parser) array(depth int) (any, error) {
	p.at++
	out := []any{}
	for !p.take("]") {
		if len(out) > 0 && !p.take(",") {
			return nil, errSyntax
		}
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (p *parser) integer() (any, error) {
	begin := p.at
	for p.take("-") {
	}
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.at++
	}
	n, err := strconv.ParseInt(string(p.raw[begin:p.at]), 10, 64)
	if err != nil || n > maxInteger || n < -maxInteger {
		return nil, errors.New("not an integer in range")
	}
	return n, nil
}

// text reads a string. An escape that need not be there is read and shows when it is written again.
func (p *parser) text() (string, error) {
	p.at++
	var out []byte
	for {
		c := p.peek()
		switch {
		case p.at >= len(p.raw) || c < 0x20:
			return "", errSyntax
		case c == '"':
			p.at++
			return string(out), nil
		case c != '\\':
			out = append(out, c)
			p.at++
			continue
		}
		p.at++
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		out = utf8.AppendRune(out, r)
	}
}

func (p *parser) escape() (rune, error) {
	short := map[byte]rune{'"': '"', '\\': '\\', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
	c := p.peek()
	p.at++
	if r, ok := short[c]; ok {
		return r, nil
	}
	if c != 'u' || len(p.raw)-p.at < 4 {
		return 0, errSyntax
	}
	n, err := strconv.ParseUint(string(p.raw[p.at:p.at+4]), 16, 16)
	if err != nil || n >= 0x20 { // Only control characters are escaped so.
		return 0, errSyntax
	}
	p.at += 4
	return rune(n), nil
}
