// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"parley.chat/internal/history"
	"parley.chat/protocol/frame"
)

// events follows one stream of server-sent events from its opening to its loss.
func (d *device) events(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cursor, _, _ := d.state()
	asked := d.w.pointers.look()
	resp, err := d.w.api.stream(ctx, d.login, "/api/v1/events?cursor="+url.QueryEscape(cursor))
	if err != nil {
		d.refused(code(err), err.Error())
		d.w.suspect(d, err)
		return
	}
	defer resp.Body.Close()
	defer d.connected(asked, cancel)()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxFrame)
	typ := ""
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			typ = name
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := d.event(typ, []byte(data)); err != nil {
				d.w.problem("device %s: an event that cannot be read: %v", d.login.device, err)
				return
			}
		}
	}
}

func (d *device) event(typ string, data []byte) error {
	switch typ {
	case frame.SyncFrame:
		return decode(data, d.page)
	case frame.MessageEdited, frame.MessageDeleted, frame.MessageReaction:
		return decode(data, func(c *frame.Deleted) {
			if c.Event != nil {
				d.received(history.Live, *c.Event)
			}
		})
	case frame.MessageReceived, frame.ConversationUpdated:
		return decode(data, func(e *frame.Event) { d.received(history.Live, *e) })
	case frame.DeliveryAck:
		return decode(data, d.receipt)
	case frame.ReceiptsFrame:
		return decode(data, d.receipts)
	case frame.ErrorFrame:
		return decode(data, func(f *frame.Error) { d.refused(f.Code, f.Message) })
	}
	return nil
}

// stream opens an answer without an end.
func (a *api) stream(ctx context.Context, l *login, path string) (*http.Response, error) {
	token := l.token()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.address+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := a.client.Transport.RoundTrip(req)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	err = readRefusal(resp)
	if resp.StatusCode == http.StatusUnauthorized && code(err) == "token_expired" {
		return nil, errors.Join(err, a.refresh(ctx, l, token))
	}
	return nil, err
}
