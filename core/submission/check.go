// SPDX-License-Identifier: Apache-2.0

package submission

import (
	"slices"
	"strings"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/text"
)

// MaxContent is the largest content of an event in bytes, in its canonical form. spec: LIMIT-CONTENT-1
const MaxContent = 64 << 10

const (
	maxTempID   = 64
	maxMediaURL = 2048
)

// CheckSend checks the form of a message but for its tempId. spec: MSG-SEND-2 MSG-SEND-3
func CheckSend(in frame.Send) error {
	if len(in.Mentions) > conversation.MaxMentions {
		return fault.Invalid("mentions", "must be at most %d", conversation.MaxMentions)
	}
	if !slices.Contains([]string{"text", "image", "video", "audio", "document"}, in.ContentType) {
		return fault.Invalid("contentType", "must be text, image, video, audio or document")
	}
	if in.Content == "" && in.EncryptedContent == "" && in.MediaURL == "" {
		return fault.Invalid("content", "a message has content, encryptedContent or mediaUrl")
	}
	if in.ReplyToMessageID != "" {
		if _, err := id.ParseMessage(in.ReplyToMessageID); err != nil {
			return fault.Invalid("replyToMessageId", "is not a message id")
		}
	}
	return CheckMedia(in.MediaURL)
}

// CheckTempID checks a tempId that a client chose.
func CheckTempID(s string) error {
	if s == "" || len(s) > maxTempID || strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return fault.Invalid("tempId", "must be 1 to %d printable ASCII characters without spaces", maxTempID)
	}
	return nil
}

// CheckMedia accepts what clients can load without surprises: an http(s) URL, or a path on the server. spec: MSG-SEND-6
func CheckMedia(u string) error {
	if u != "" && !text.IsURL(u, maxMediaURL) {
		return fault.Invalid("mediaUrl", "must be an http(s) URL, or a path on this server, of at most %d bytes", maxMediaURL)
	}
	return nil
}
