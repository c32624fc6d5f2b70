// SPDX-License-Identifier: Apache-2.0

package door

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// pong is the answer of a ping.
type pong struct {
	ServerName id.Server `json:"serverName"`
	Time       int64     `json:"time"`
}

// Ping is the route of a signed round trip. spec: FED-PING-1
func Ping(self id.Server, now func() time.Time) Route {
	return Route{Method: http.MethodPost, Pattern: "/federation/v1/ping", Handle: func(_ context.Context, c *Call) (any, error) {
		if err := Decode(c.Body, &struct{}{}); err != nil {
			return nil, err
		}
		return pong{ServerName: self, Time: now().UnixMilli()}, nil
	}}
}

// Decode reads a body that is one JSON object: duplicate keys and invalid UTF-8 are malformed_json, members of a wrong type
// invalid_field, unknown members are ignored.
func Decode(body []byte, into any) error {
	v := jsontext.Value(body)
	if !v.IsValid() {
		return fault.New(fault.MalformedJSON, "the body is not one well-formed JSON value")
	}
	if v.Kind() != '{' {
		return fault.Invalid("body", "must be an object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.Invalid("body", "a member has the wrong type").Because(err)
	}
	return nil
}
