// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Errors of [Accept]. After the first three the response is still unwritten and the caller answers it.
var (
	// ErrNotWebSocket says that the request is no WebSocket handshake this server understands: answer 426 or 400.
	ErrNotWebSocket = errors.New("not a websocket handshake")
	// ErrOrigin says that a page of a foreign origin made the request: answer 403.
	ErrOrigin = errors.New("origin not allowed")
	// ErrSubprotocol says that the client did not offer the required subprotocol: answer 400.
	ErrSubprotocol = errors.New("subprotocol not offered")
	// ErrLost says that the connection was taken over and then failed: nothing can be answered any more.
	ErrLost = errors.New("connection lost during the upgrade")
)

// Offered returns the subprotocols the client offers, in its order. Values that carry a secret must not be logged.
func Offered(r *http.Request) []string {
	return tokens(r.Header, "Sec-Websocket-Protocol")
}

// check decides whether r may be upgraded. It writes nothing but, on a wrong version, the header that names ours.
func check(w http.ResponseWriter, r *http.Request, o *Options) error {
	if err := checkUpgrade(r); err != nil {
		return err
	}
	if r.Header.Get("Sec-Websocket-Version") != "13" {
		w.Header().Set("Sec-Websocket-Version", "13")
		return fmt.Errorf("%w: version is not 13", ErrNotWebSocket)
	}
	if !originAllowed(r, o.OriginPatterns) {
		return ErrOrigin
	}
	if o.Subprotocol != "" && !slices.Contains(Offered(r), o.Subprotocol) {
		return fmt.Errorf("%w: %s", ErrSubprotocol, o.Subprotocol)
	}
	return nil
}

func checkUpgrade(r *http.Request) error {
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return fmt.Errorf("%w: needs HTTP/1.1", ErrNotWebSocket)
	case r.Method != http.MethodGet:
		return fmt.Errorf("%w: method is not GET", ErrNotWebSocket)
	case !hasToken(r.Header, "Connection", "upgrade"):
		return fmt.Errorf("%w: Connection lacks Upgrade", ErrNotWebSocket)
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return fmt.Errorf("%w: Upgrade lacks websocket", ErrNotWebSocket)
	case !keyValid(r.Header.Values("Sec-Websocket-Key")):
		return fmt.Errorf("%w: Sec-WebSocket-Key is not one key of 16 bytes", ErrNotWebSocket)
	default:
		return nil
	}
}

func keyValid(keys []string) bool {
	if len(keys) != 1 {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0]))
	return err == nil && len(raw) == 16
}

// originAllowed guards against pages of foreign sites, which a browser lets open WebSockets with the user's cookies.
func originAllowed(r *http.Request, patterns []string) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	u, err := url.Parse(values[0])
	if err != nil || len(values) > 1 || u.Host == "" {
		return false
	}
	host := strings.ToLower(u.Host)
	if strings.ToLower(r.Host) == host {
		return true
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		target := host
		if strings.Contains(pattern, "://") {
			target = strings.ToLower(u.Scheme) + "://" + host
		}
		matched, err := path.Match(strings.ToLower(pattern), target)
		return err == nil && matched
	})
}

func hasToken(h http.Header, key, token string) bool {
	return slices.ContainsFunc(tokens(h, key), func(t string) bool { return strings.EqualFold(t, token) })
}

// tokens splits the comma-separated values of a header, whose key must be canonical.
func tokens(h http.Header, key string) []string {
	var list []string
	for _, value := range h[key] {
		for token := range strings.SplitSeq(value, ",") {
			if token = strings.TrimSpace(token); token != "" {
				list = append(list, token)
			}
		}
	}
	return list
}
