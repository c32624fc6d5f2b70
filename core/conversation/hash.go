// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"bytes"
	"crypto/sha256"
	"io"
	"maps"
	"slices"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
)

// Hash commits to the state: the members in order of user id with role and membership, the name, the type and the info. The
// state may be larger than an object that is signed. spec: LOG-STATE-1
func (s *State) Hash() (event.Hash, error) {
	h := sha256.New()
	h.Write(canonical.AppendMessage(nil, "state", nil))
	if err := s.write(h); err != nil {
		return event.Hash{}, err
	}
	return event.Hash(h.Sum(nil)), nil
}

// Canonical is the text that Hash commits to. spec: LOG-STATE-1
func (s *State) Canonical() ([]byte, error) {
	var out bytes.Buffer
	err := s.write(&out)
	return out.Bytes(), err
}

// write writes the canonical text to w, which does not fail.
func (s *State) write(w io.Writer) error {
	buf, err := canonical.AppendString([]byte(`{"conversationId":`), string(s.ID))
	if err != nil {
		return err
	}
	if buf, err = s.appendInfo(buf); err != nil {
		return err
	}
	_, _ = w.Write(append(buf, `,"members":[`...))
	if err := s.writeMembers(w); err != nil {
		return err
	}
	if buf, err = canonical.AppendString([]byte(`],"name":`), s.Name); err != nil {
		return err
	}
	if buf, err = canonical.AppendString(append(buf, `,"type":`...), s.Type()); err != nil {
		return err
	}
	_, _ = w.Write(append(buf, `,"v":1}`...))
	return nil
}

// appendInfo adds the info, if there is any.
func (s *State) appendInfo(buf []byte) ([]byte, error) {
	if s.Info.isZero() {
		return buf, nil
	}
	raw, err := s.Info.Canonical()
	return append(append(buf, `,"info":`...), raw...), err
}

func (s *State) writeMembers(w io.Writer) error {
	buf := make([]byte, 0, 512)
	for i, u := range slices.Sorted(maps.Keys(s.Members)) {
		m, list := s.Members[u], buf[:0]
		if i > 0 {
			list = append(list, ',')
		}
		o := canonical.Begin(list)
		if m.FromSeq != m.JoinedSeq {
			o.Int("fromSeq", m.FromSeq)
		}
		o.Int("joinedSeq", m.JoinedSeq)
		o.Int("leftSeq", m.LeftSeq)
		o.String("membership", m.Membership)
		o.String("role", m.Role)
		o.String("userId", string(u))
		item, err := o.End()
		if err != nil {
			return err
		}
		_, _ = w.Write(item)
	}
	return nil
}
