// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// eventOverhead bounds what an event takes besides its strings: keys, quotes, commas and two integers.
const eventOverhead = 320

// AppendEvent appends the JSON of e to buf and returns the extended buffer. The bytes are those of an encoding/json
// Encoder with SetEscapeHTML(false), without the line feed; ill-formed UTF-8 becomes U+FFFD as there. It keeps no
// reference to e.
func AppendEvent(buf []byte, e *Event) []byte {
	buf = slices.Grow(buf, eventOverhead+len(e.ConversationID)+len(e.MessageID)+len(e.SenderID)+len(e.DeviceID)+
		len(e.TempID)+len(e.Content)+len(e.MediaURL)+len(e.ReplyToMessageID)+len(e.EncryptedContent))
	buf = appendString(append(buf, `{"conversationId":`...), e.ConversationID)
	buf = strconv.AppendInt(append(buf, `,"seq":`...), e.Seq, 10)
	buf = appendString(append(buf, `,"messageId":`...), e.MessageID)
	buf = appendString(append(buf, `,"type":`...), e.Type)
	buf = appendString(append(buf, `,"senderId":`...), e.SenderID)
	buf = appendOptional(buf, `,"deviceId":`, e.DeviceID)
	buf = appendOptional(buf, `,"tempId":`, e.TempID)
	buf = strconv.AppendInt(append(buf, `,"timestamp":`...), e.Timestamp, 10)
	buf = appendString(append(buf, `,"status":`...), e.Status)
	buf = appendOptional(buf, `,"content":`, e.Content)
	buf = appendOptional(buf, `,"contentType":`, e.ContentType)
	buf = appendOptional(buf, `,"mediaUrl":`, e.MediaURL)
	buf = appendOptional(buf, `,"replyToMessageId":`, e.ReplyToMessageID)
	buf = appendOptional(buf, `,"encryptedContent":`, e.EncryptedContent)
	buf = appendOptional(buf, `,"withheld":`, e.Withheld)
	buf = appendOptional(buf, `,"targetMessageId":`, e.TargetMessageID)
	if e.Change != nil {
		buf = appendChange(append(buf, `,"change":`...), e.Change)
	}
	if e.Views != 0 {
		buf = strconv.AppendInt(append(buf, `,"views":`...), e.Views, 10)
	}
	if e.isRelated() {
		buf = appendRelated(buf, e)
	}
	return append(buf, '}')
}

// AppendFrame appends `{"type":typ,"data":data}` to buf and returns the extended buffer. data must be one JSON value;
// empty data stands for an empty object.
func AppendFrame(buf []byte, typ string, data []byte) []byte {
	buf = slices.Grow(buf, len(`{"type":"","data":{}}`)+len(typ)+len(data))
	buf = appendString(append(buf, `{"type":`...), typ)
	buf = append(buf, `,"data":`...)
	if len(data) == 0 {
		buf = append(buf, `{}`...)
	}
	buf = append(buf, data...)
	return append(buf, '}')
}

// appendChange leaves it to encoding/json: changes are rare.
func appendChange(buf []byte, c *Change) []byte {
	out := bytes.NewBuffer(buf)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(c) // Strings, numbers and lists of them can be encoded.
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

func appendOptional(buf []byte, key, value string) []byte {
	if value == "" {
		return buf
	}
	return appendString(append(buf, key...), value)
}

// appendString copies runs of characters that stand for themselves and escapes what is between them.
func appendString(buf []byte, s string) []byte {
	buf = append(buf, '"')
	start := 0
	for i := skipPlain(s, 0); i < len(s); i = skipPlain(s, i) {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < 0x20 || c == '"' || c == '\\' {
				buf = appendControl(append(buf, s[start:i]...), c)
				start = i + 1
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if esc := escapeRune(r, n); esc != "" {
			buf = append(append(buf, s[start:i]...), esc...)
			start = i + n
		}
		i += n
	}
	return append(append(buf, s[start:]...), '"')
}

// skipPlain returns a place at or after i up to which every character is ASCII that stands for itself. It looks at eight
// bytes at once and stops at the first eight that are not all plain: each term sets the high bit of a byte that is not.
func skipPlain(s string, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		b := s[i : i+8]
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		if (w|(w-ones*0x20)|((w^ones*'"')-ones)|((w^ones*'\\')-ones))&high != 0 {
			break
		}
	}
	return i
}

func appendControl(buf []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(buf, '\\', c)
	case '\b':
		return append(buf, `\b`...)
	case '\f':
		return append(buf, `\f`...)
	case '\n':
		return append(buf, `\n`...)
	case '\r':
		return append(buf, `\r`...)
	case '\t':
		return append(buf, `\t`...)
	}
	const hex = "0123456789abcdef"
	return append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// escapeRune tells the escape of a character of n bytes that must not stand for itself: ill-formed bytes, and the two
// line separators that JavaScript once refused in strings.
func escapeRune(r rune, n int) string {
	switch {
	case r == utf8.RuneError && n == 1:
		return `\ufffd`
	case r == '\u2028':
		return `\u2028`
	case r == '\u2029':
		return `\u2029`
	}
	return ""
}

// AppendAck appends the JSON of a to buf and returns the extended buffer.
func AppendAck(buf []byte, a *Ack) []byte {
	buf = slices.Grow(buf, 160+len(a.TempID)+len(a.ConversationID)+len(a.MessageID))
	buf = appendString(append(buf, `{"tempId":`...), a.TempID)
	buf = appendString(append(buf, `,"conversationId":`...), a.ConversationID)
	if a.MessageID != "" {
		buf = appendString(append(buf, `,"messageId":`...), a.MessageID)
		buf = strconv.AppendInt(append(buf, `,"seq":`...), a.Seq, 10)
	}
	buf = strconv.AppendInt(append(buf, `,"timestamp":`...), a.Timestamp, 10)
	buf = appendString(append(buf, `,"status":`...), a.Status)
	if a.Code != "" {
		buf = appendString(append(buf, `,"code":`...), a.Code)
		buf = appendString(append(buf, `,"message":`...), a.Message)
	}
	return append(buf, '}')
}
