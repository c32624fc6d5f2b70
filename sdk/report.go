// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"io"
	"net/http"
	"strings"

	"parley.chat/protocol/rest"
)

// Report tells the moderators of the own server of messages, a conversation or a user.
func (c *Client) Report(ctx context.Context, in rest.CreateReport) (rest.Reported, error) {
	var out rest.Reported
	return out, c.call(ctx, http.MethodPost, "/api/v1/reports", in, &out)
}

// Erase ends the account for good; messages is rest.EraseKeep or rest.EraseAll. The session ends with it.
func (c *Client) Erase(ctx context.Context, password, messages string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/users/me/erase", rest.Erase{Password: password, Messages: messages}, nil)
}

// Export writes a zip archive of everything the server keeps of the account to w. An error after the first byte leaves an
// incomplete archive behind. It takes as long as ctx allows.
func (c *Client) Export(ctx context.Context, password string, w io.Writer) error {
	s, err := c.fresh(ctx)
	if err != nil {
		return err
	}
	raw, err := encode(rest.Deactivate{Password: password})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/api/v1/users/me/export", strings.NewReader(string(raw)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.AccessToken)
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return problem(resp.StatusCode, resp.Header, raw)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}
