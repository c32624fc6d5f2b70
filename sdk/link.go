// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/coder/websocket"

	"parley.chat/protocol/fault"
)

const subprotocol = "parley.v1"

// link is one live connection, whatever carries the frames. Only read is for a single goroutine.
type link interface {
	read(ctx context.Context) ([]byte, error)
	write(ctx context.Context, raw []byte) error
	ping(ctx context.Context) error
	close()
}

// connect opens a socket, or falls back to long polls where sockets are refused.
func (c *Client) connect(ctx context.Context) (link, error) {
	s, err := c.fresh(ctx)
	if err != nil {
		return nil, err
	}
	l, err := c.dial(ctx, s)
	if tokenEnded(err) {
		if s, err = c.refresh(ctx, s); err != nil {
			return nil, err
		}
		l, err = c.dial(ctx, s)
	}
	if refused(err) {
		c.log.InfoContext(ctx, "socket refused, polling instead", "error", err)
		return c.openPoll(ctx), nil
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (c *Client) dial(ctx context.Context, s *Session) (link, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, c.base+"/api/v1/ws", &websocket.DialOptions{
		HTTPClient:   c.http,
		HTTPHeader:   http.Header{"Authorization": {"Bearer " + s.AccessToken}},
		Subprotocols: []string{subprotocol},
	})
	if err != nil && resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // What cannot be read is judged by the status.
		return nil, problem(resp.StatusCode, resp.Header, raw)
	}
	if err != nil {
		return nil, err
	}
	if conn.Subprotocol() != subprotocol {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("the server does not speak %s", subprotocol)
	}
	conn.SetReadLimit(maxAnswer)
	return &socket{conn: conn, seen: c.opts.OnFrame}, nil
}

// refused tells that something on the way, or the server, lets no socket through. Trouble that may pass is not that.
func refused(err error) bool {
	var status statusError
	if !errors.As(err, &status) || SessionEnded(err) {
		return false
	}
	return status < 400 || slices.Contains([]statusError{400, 403, 404, 405, 406, 426, 501}, status)
}

// socket is the link over a WebSocket.
type socket struct {
	conn *websocket.Conn
	seen func(sent bool, raw []byte)
}

func (s *socket) read(ctx context.Context) ([]byte, error) {
	_, raw, err := s.conn.Read(ctx)
	if err == nil && s.seen != nil {
		s.seen(false, raw)
	}
	return raw, err
}

func (s *socket) write(ctx context.Context, raw []byte) error {
	if s.seen != nil {
		s.seen(true, raw)
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, raw)
}

func (s *socket) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return s.conn.Ping(ctx)
}

func (s *socket) close() { _ = s.conn.CloseNow() }

// final returns the fault that ends a session for good, or nil if a new connection may help.
func final(err error) error {
	code := int(websocket.CloseStatus(err))
	if code >= 4500 && code <= 4599 {
		return faultOfClose(code, err)
	}
	if SessionEnded(err) {
		return err
	}
	return nil
}

func faultOfClose(code int, err error) error {
	for _, c := range fault.All() {
		if fault.Lookup(c).Close == code {
			return fault.New(c, "%s", fault.Lookup(c).Meaning).Because(err)
		}
	}
	return fault.New(fault.Forbidden, "the server closed the connection for good (%d)", code).Because(err)
}
