// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Close codes this package sends or reports by itself (RFC 6455 section 7.4.1).
const (
	codeProtocolError = 1002
	codeBinary        = 1003
	codeNone          = 1005
	codeLost          = 1006
	codeNotUTF8       = 1007
	codeTooLarge      = 1009
	codeInternal      = 1011
)

// maxReason is what a control frame leaves to the reason after the two bytes of the code.
const maxReason = 123

// sendable reports whether code may stand in a close frame.
func sendable(code int) bool {
	switch {
	case code == 1004 || code == codeNone || code == codeLost:
		return false
	case code >= 1000 && code <= 1014:
		return true
	default:
		return code >= 3000 && code <= 4999
	}
}

// closeFrame encodes a close frame. A code that may not be sent becomes 1011, except that 1005 stands for a frame
// without a code. The reason is cut to what fits.
func closeFrame(code int, reason string) []byte {
	if code == codeNone {
		return []byte{finClose, 0}
	}
	if !sendable(code) {
		code = codeInternal
	}
	reason = cutReason(reason)
	frame := make([]byte, 0, 4+len(reason))
	frame = append(frame, finClose, byte(2+len(reason)))
	frame = binary.BigEndian.AppendUint16(frame, uint16(code))
	return append(frame, reason...)
}

// cutReason makes reason valid UTF-8 of at most maxReason bytes.
func cutReason(reason string) string {
	reason = strings.ToValidUTF8(reason, "?")
	if len(reason) <= maxReason {
		return reason
	}
	end := maxReason
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}

// parseClose reads code and reason of an encoded close frame.
func parseClose(frame []byte) (code int, reason string) {
	if len(frame) < 4 {
		return codeNone, ""
	}
	return int(binary.BigEndian.Uint16(frame[2:])), string(frame[4:])
}
