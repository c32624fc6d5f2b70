// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"

	"parley.chat/protocol/fault"
)

// explain says an error for people: a fault by its message, and what to do about it where that is known.
func explain(err error) string {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return clean(explainFault(f))
	case unreachable(err):
		return "cannot reach the server (" + outage(err) + ")"
	case errors.Is(err, io.EOF):
		return "the input ended"
	}
	return clean(err.Error())
}

func explainFault(f *fault.Error) string {
	switch f.Code {
	case fault.DeviceRemoved, fault.RefreshInvalid:
		return "this device was logged out; start again to log in"
	case fault.RegistrationTokenInvalid:
		return f.Message + " (give one with --register-token)"
	case fault.InvalidField:
		return aboutField(f.Field, strings.TrimPrefix(f.Message, f.Field+": "))
	}
	if f.Message == "" {
		return fault.Lookup(f.Code).Meaning
	}
	return f.Message
}

// aboutField turns what is wrong with a field into a sentence: some messages are one without the name of the field.
func aboutField(field, wrong string) string {
	verb, _, _ := strings.Cut(wrong, " ")
	switch verb {
	case "must", "is", "has":
	default:
		return wrong
	}
	switch field {
	case "username":
		field = "a username"
	case "userId", "userIds":
		field = "the user"
	case "content":
		field = "the message"
	case "deviceName":
		field = "the name of the device"
	default:
		field = wordFor(field)
	}
	return field + " " + wrong
}

// wordFor says what a field of the API is called by people.
func wordFor(field string) string {
	field, what, _ := strings.Cut(field, ".")
	switch field {
	case "password", "name", "role", "members", "description", "draft", "mentions", "emoji", "reason", "text", "visibility", "notifications":
		return "the " + field
	case "permissions":
		return strings.TrimSpace("the permission " + what)
	case "avatarUrl", "mediaUrl":
		return "the picture"
	case "ephemeralTimer":
		return "the timer"
	case "slowMode":
		return "the time of slow mode"
	case "mutedUntil":
		return "the time until which it is muted"
	case "messageId", "messageIds", "targetMessageId", "replyToMessageId":
		return "the message"
	case "phoneNumber":
		return "the phone number"
	case "registrationToken":
		return "the registration token"
	case "q", "query":
		return "what is searched for"
	}
	return field
}

// unreachable tells an error on the way to the server from what the server said.
func unreachable(err error) bool {
	var away *url.Error
	var broken net.Error
	return errors.As(err, &away) || errors.As(err, &broken) || errors.Is(err, io.ErrUnexpectedEOF)
}

// outage names the trouble on the way in a few words.
func outage(err error) string {
	var timeout net.Error
	var unknown *net.DNSError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	case errors.Is(err, syscall.ECONNREFUSED), err != nil && strings.Contains(err.Error(), "refused"):
		return "connection refused"
	case errors.As(err, &unknown):
		return "no such host"
	case errors.As(err, &untrusted):
		return "its certificate is not trusted"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "no network"
	}
	return "connection lost"
}
