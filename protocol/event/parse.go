// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Limits of what a submission says of itself. Doors of clients are stricter.
const (
	MaxTempID = 256 // bytes
	maxType   = 64
)

// ParseSubmission reads the canonical encoding back; anything else is refused. spec: LOG-SUBMISSION-1
func ParseSubmission(raw []byte) (Submission, error) {
	var w struct {
		AuthorTime     int64  `json:"authorTime"`
		ContentHash    string `json:"contentHash"`
		ConversationID string `json:"conversationId"`
		DeviceID       string `json:"deviceId"`
		Expects        *int64 `json:"expects"`
		Sender         string `json:"sender"`
		TempID         string `json:"tempId"`
		Type           string `json:"type"`
		V              int    `json:"v"`
	}
	if err := object("submission", raw, &w); err != nil {
		return Submission{}, err
	}
	hash, errHash := parseHash(w.ContentHash)
	conv, errConv := id.ParseConversation(w.ConversationID)
	sender, errSender := id.ParseUser(w.Sender)
	device, errDevice := parseDevice(w.DeviceID)
	if err := errors.Join(errHash, errConv, errSender, errDevice); err != nil {
		return Submission{}, malformed("submission").Because(err)
	}
	if w.V != 1 || w.AuthorTime < 0 || !isType(w.Type) || !isTempID(w.TempID) || w.Expects != nil && *w.Expects < 0 {
		return Submission{}, malformed("submission")
	}
	s := Submission{AuthorTime: w.AuthorTime, ContentHash: hash, ConversationID: conv, DeviceID: device, Expects: w.Expects,
		Sender: sender, TempID: w.TempID, Type: w.Type}
	return s, sameBytes(raw, func() ([]byte, error) { return s.Canonical(nil) })
}

// ParseEntry reads the canonical encoding back; anything else is refused. spec: LOG-ENTRY-1
func ParseEntry(raw []byte) (Entry, error) {
	var w struct {
		ConversationID string `json:"conversationId"`
		Count          int64  `json:"count"`
		HubTime        int64  `json:"hubTime"`
		MessageID      string `json:"messageId"`
		Prev           string `json:"prev"`
		Seq            int64  `json:"seq"`
		StateHash      string `json:"stateHash"`
		SubmissionHash string `json:"submissionHash"`
		Term           int64  `json:"term"`
		V              int    `json:"v"`
	}
	if err := object("entry", raw, &w); err != nil {
		return Entry{}, err
	}
	conv, errConv := id.ParseConversation(w.ConversationID)
	message, errMessage := id.ParseMessage(w.MessageID)
	prev, errPrev := parseHash(w.Prev)
	sub, errSub := parseHash(w.SubmissionHash)
	e := Entry{ConversationID: conv, Count: w.Count, HubTime: w.HubTime, MessageID: message, Prev: prev, Seq: w.Seq, SubmissionHash: sub, Term: w.Term}
	var errState error
	if w.StateHash != "" {
		var h Hash
		h, errState = parseHash(w.StateHash)
		e.StateHash = &h
	}
	if err := errors.Join(errConv, errMessage, errPrev, errSub, errState); err != nil {
		return Entry{}, malformed("entry").Because(err)
	}
	if w.V != 1 || e.Seq < 0 || e.Seq > id.MaxSeq || e.Count < 0 || e.Count > e.Seq+1 || e.HubTime < 0 || e.Term < 0 {
		return Entry{}, malformed("entry")
	}
	return e, sameBytes(raw, func() ([]byte, error) { return e.Canonical(nil) })
}

// object decodes what is canonical.
func object(what string, raw []byte, into any) error {
	if err := canonical.Check(raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return malformed(what).Because(err)
	}
	return nil
}

func malformed(what string) *fault.Error {
	return fault.New(fault.MalformedJSON, "not a valid %s of version 1", what)
}

func parseHash(s string) (h Hash, err error) {
	raw, err := canonical.DecodeBase64(s)
	if err != nil {
		return h, err
	}
	if len(raw) != len(h) {
		return h, errors.New("a hash has the wrong length")
	}
	return Hash(raw), nil
}

// parseDevice accepts none too: what a server does by itself has no device.
func parseDevice(s string) (id.Device, error) {
	if s == "" {
		return "", nil
	}
	return id.ParseDevice(s)
}

func isType(s string) bool {
	if s == "" || len(s) > maxType || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

func isTempID(s string) bool {
	return len(s) <= MaxTempID && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
