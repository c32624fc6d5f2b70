// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"strings"

	"parley.chat/protocol/fault"
)

// maxToken bounds what is looked up; a token of this server has 49 bytes.
const maxToken = 256

func (d *door) authenticate(rt Route, c *Call) error {
	if c.r.URL.Query().Has("access_token") {
		return fault.New(fault.Unauthenticated, "a token never travels in the URL; use the Authorization header")
	}
	if !rt.Auth {
		return nil
	}
	token, err := bearer(c.r.Header)
	if err != nil {
		return err
	}
	caller, err := d.Auth.Authenticate(c.Context(), token)
	if err != nil {
		return err
	}
	caller.From = c.Client
	c.Caller, c.w.user = caller, caller.User
	return nil
}

// bearer takes the token from the one Authorization header.
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", fault.New(fault.Unauthenticated, "an access token is required")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return "", fault.New(fault.Unauthenticated, "the Authorization header must be one bearer token")
	}
	return token, nil
}
