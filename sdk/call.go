// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/rest"
)

// maxAnswer bounds what is read of one answer or frame: a page of the largest messages fits.
const maxAnswer = 32 << 20

// statusError is the HTTP status behind a fault; it tells whether an unknown code is worth another try.
type statusError int

func (s statusError) Error() string { return "HTTP status " + strconv.Itoa(int(s)) }

// call makes one authenticated call. An access token that ended meanwhile is refreshed once.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.callWithin(ctx, method, path, in, out)
}

func (c *Client) callWithin(ctx context.Context, method, path string, in, out any) error {
	s, err := c.fresh(ctx)
	if err != nil {
		return err
	}
	err = c.exchange(ctx, method, path, s.AccessToken, in, out)
	if !tokenEnded(err) {
		return err
	}
	if s, err = c.refresh(ctx, s); err != nil {
		return err
	}
	return c.exchange(ctx, method, path, s.AccessToken, in, out)
}

func tokenEnded(err error) bool {
	return fault.Is(err, fault.TokenExpired) || fault.Is(err, fault.Unauthenticated)
}

// exchange is one HTTP request and its answer; out may be nil.
func (c *Client) exchange(ctx context.Context, method, path, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := encode(in)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: read answer: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return problem(resp.StatusCode, resp.Header, raw)
	}
	if out == nil || len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s %s: answer: %w", method, path, err)
	}
	return nil
}

// problem rebuilds the fault of an error answer; an answer that is no problem document is judged by its status.
func problem(status int, h http.Header, raw []byte) error {
	var p rest.Problem
	if err := json.Unmarshal(raw, &p); err != nil || p.Code == "" {
		p = rest.Problem{Code: string(codeOf(status)), Detail: "the server answered " + strconv.Itoa(status) + " " + http.StatusText(status)}
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	f := &fault.Error{Code: fault.Code(p.Code), Message: p.Detail, Field: p.Field, RetryAfter: time.Duration(p.RetryAfterMs) * time.Millisecond}
	if f.RetryAfter <= 0 {
		f.RetryAfter = retryAfter(h)
	}
	return f.Because(statusError(status))
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 || n > 3600 {
		return 0
	}
	return time.Duration(n) * time.Second
}

func codeOf(status int) fault.Code {
	switch {
	case status == http.StatusUnauthorized:
		return fault.Unauthenticated
	case status == http.StatusForbidden:
		return fault.Forbidden
	case status == http.StatusNotFound:
		return fault.UnknownRoute
	case status == http.StatusTooManyRequests:
		return fault.RateLimited
	case status == http.StatusInternalServerError:
		return fault.Internal
	case status > http.StatusInternalServerError:
		return fault.Unavailable
	default:
		return fault.Code("x_http_" + strconv.Itoa(status))
	}
}
