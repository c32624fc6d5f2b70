// SPDX-License-Identifier: Apache-2.0

package peer_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"parley.chat/federation/peer"
)

func TestRefusal_SaysWhenToComeBack(t *testing.T) {
	for _, c := range []struct {
		header, body string
		want         time.Duration
	}{
		{"", `{"code":"rate_limited","detail":"slow","retryAfterMs":1500}`, 1500 * time.Millisecond},
		{"7", `{"code":"rate_limited","retryAfterMs":1500}`, 1500 * time.Millisecond},
		{"7", `<html>`, 7 * time.Second},
		{"", `{}`, 0},
		{"-7", `{"retryAfterMs":-1}`, 0},
		{"Wed, 21 Oct 2026 07:28:00 GMT", `{}`, 0},
		{"99999999999999999999", `{"retryAfterMs":9223372036854775807}`, 24 * time.Hour},
		{"2000000000", ``, 24 * time.Hour},
	} {
		a := peer.Answer{Status: http.StatusTooManyRequests, Header: http.Header{}, Body: []byte(c.body)}
		if c.header != "" {
			a.Header.Set("Retry-After", c.header)
		}
		r, ok := errors.AsType[*peer.Refusal](a.Read("b.test", nil))
		if !ok || r.RetryAfter != c.want || r.Status != 429 || r.Server != "b.test" {
			t.Errorf("%q %q: %+v, want %v", c.header, c.body, r, c.want)
		}
	}
}
