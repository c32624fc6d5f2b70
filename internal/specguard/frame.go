// SPDX-License-Identifier: Apache-2.0

package specguard

import (
	"encoding/json"
	"fmt"
	"testing"

	"parley.chat/protocol/fault"
)

// Frame reports to t if raw is not a frame that a server may send.
func Frame(t testing.TB, raw []byte) {
	t.Helper()
	for _, f := range theLaw().checkFrame("server", raw) {
		t.Errorf("specguard: server frame: %s\nframe: %s", f, excerpt(raw))
	}
}

// ClientFrame reports to t if raw is not a frame that a client may send.
func ClientFrame(t testing.TB, raw []byte) {
	t.Helper()
	for _, f := range theLaw().checkFrame("client", raw) {
		t.Errorf("specguard: client frame: %s\nframe: %s", f, excerpt(raw))
	}
}

func (l *law) checkFrame(side string, raw []byte) []string {
	var head struct {
		Type string `json:"type"`
		Data struct {
			Code *string `json:"code"`
		} `json:"data"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return []string{"not readable: " + err.Error()}
	}
	s, ok := l.frames[side+"."+head.Type]
	if !ok {
		return []string{fmt.Sprintf("no schema for type %q", head.Type)}
	}
	findings := complainJSON("frame", s, raw)
	if c := head.Data.Code; c != nil && side == "server" {
		if _, known := catalogue()[fault.Code(*c)]; !known {
			findings = append(findings, fmt.Sprintf("code %q is not in errors.yaml", *c))
		}
	}
	return findings
}
