// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"errors"
	"fmt"
	"time"
)

//go:generate go run ../../internal/gen/faults -in ../../spec/errors.yaml -out codes_gen.go

// Code names a fault in the catalogue, lower_snake.
type Code string

// Info is what the catalogue says of a code.
type Info struct {
	Status  int    // HTTP status
	Close   int    // WebSocket close code, 0 if the connection stays open
	Retry   string // never, later, after_login, after_resync
	Meaning string // one sentence for people
}

// Lookup returns the catalogue's entry; an unknown code reads as Internal.
func Lookup(c Code) Info {
	if i, ok := catalogue[c]; ok {
		return i
	}
	return catalogue[Internal]
}

// Error is a fault: a code, a message a client may read, and a cause it may not.
type Error struct {
	Code       Code
	Message    string
	Field      string        // the offending field, for InvalidField
	RetryAfter time.Duration // 0 if the catalogue's retry rule says it all
	cause      error
}

// New makes a fault with a public message.
func New(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes an InvalidField fault that names the field.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: InvalidField, Field: field, Message: field + ": " + fmt.Sprintf(format, args...)}
}

// Retry makes an Unavailable or RateLimited style fault with a delay.
func Retry(c Code, after time.Duration, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...), RetryAfter: after}
}

// Because returns a copy of e that wraps a cause, which is logged and never sent.
func (e *Error) Because(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// Error includes the cause: it is for logs, Message is for clients.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is tells whether err is a fault with the code.
func Is(err error, c Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == c
}

// From returns the fault within err. Anything else becomes Internal with err as its cause.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return New(Internal, "internal error").Because(err)
}
