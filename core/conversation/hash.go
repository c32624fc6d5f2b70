// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"crypto/sha256"
	"hash"
	"maps"
	"slices"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
)

// Hash commits to the state: the members in order of user id with role and membership, the name, the type and the info. The
// state is hashed in canonical form but never sent, so it may be larger than an object that is. spec: LOG-STATE-1
func (s *State) Hash() (event.Hash, error) {
	h := sha256.New()
	buf := canonical.AppendMessage(nil, "state", []byte(`{"conversationId":`))
	buf, err := canonical.AppendString(buf, string(s.ID))
	if err != nil {
		return event.Hash{}, err
	}
	if buf, err = s.appendInfo(buf); err != nil {
		return event.Hash{}, err
	}
	h.Write(append(buf, `,"members":[`...))
	if err := s.hashMembers(h); err != nil {
		return event.Hash{}, err
	}
	if buf, err = canonical.AppendString([]byte(`],"name":`), s.Name); err != nil {
		return event.Hash{}, err
	}
	if buf, err = canonical.AppendString(append(buf, `,"type":`...), s.Type()); err != nil {
		return event.Hash{}, err
	}
	h.Write(append(buf, `,"v":1}`...))
	return event.Hash(h.Sum(nil)), nil
}

// appendInfo adds the info, if there is any.
func (s *State) appendInfo(buf []byte) ([]byte, error) {
	if s.Info.isZero() {
		return buf, nil
	}
	raw, err := s.Info.Canonical()
	return append(append(buf, `,"info":`...), raw...), err
}

func (s *State) hashMembers(h hash.Hash) error {
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
		h.Write(item)
	}
	return nil
}
