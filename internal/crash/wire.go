// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"parley.chat/protocol/rest"
)

// api is the REST side of one server.
type api struct {
	address string
	client  *http.Client
}

func newAPI(address string) *api {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	return &api{address: address, client: &http.Client{Transport: transport, Timeout: 15 * time.Second}}
}

// refusal is an answer that says no.
type refusal struct{ rest.Problem }

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail) }

// code is the code of a refusal, "" of any other error.
func code(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

// login is one device's way in.
type login struct {
	user, device string

	mu              sync.Mutex
	access, refresh string
}

func (l *login) token() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.access
}

// do makes one request. With an access token that ran out it refreshes once and asks again.
func (a *api) do(ctx context.Context, l *login, method, path string, in, out any) error {
	if l == nil {
		return a.once(ctx, "", method, path, in, out)
	}
	token := l.token()
	err := a.once(ctx, token, method, path, in, out)
	var r *refusal
	if !errors.As(err, &r) || r.Status != http.StatusUnauthorized {
		return err
	}
	if err := a.refresh(ctx, l, token); err != nil {
		return err
	}
	return a.once(ctx, l.token(), method, path, in, out)
}

// refresh gets a new pair unless another goroutine did.
func (a *api) refresh(ctx context.Context, l *login, used string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.access != used {
		return nil
	}
	var s rest.Session
	if err := a.once(ctx, "", http.MethodPost, "/api/v1/refresh", rest.Refresh{RefreshToken: l.refresh}, &s); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	l.access, l.refresh = s.AccessToken, s.RefreshToken
	return nil
}

func (a *api) once(ctx context.Context, token, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+a.address+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return readRefusal(resp)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil || out == nil || len(raw) == 0 {
		return err
	}
	return json.Unmarshal(raw, out)
}

// readRefusal reads an answer that says no. It is an ordinary error if the answer came in part only.
func readRefusal(resp *http.Response) error {
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	r := &refusal{}
	if err := json.Unmarshal(raw, &r.Problem); err != nil {
		return fmt.Errorf("status %d without a problem", resp.StatusCode)
	}
	return r
}

// maxFrame is more than the server may send.
const maxFrame = 1 << 20

// dial opens a socket.
func (a *api) dial(ctx context.Context, l *login) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	token := l.token()
	c, resp, err := websocket.Dial(ctx, "ws://"+a.address+"/api/v1/ws", &websocket.DialOptions{
		HTTPHeader:   http.Header{"Authorization": {"Bearer " + token}},
		Subprotocols: []string{"parley.v1"},
	})
	if err != nil {
		if resp != nil && resp.StatusCode == http.StatusUnauthorized {
			return nil, errors.Join(err, a.refresh(ctx, l, token))
		}
		return nil, err
	}
	c.SetReadLimit(maxFrame)
	return c, nil
}
