// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// pair is a sender and a receiver in a direct conversation.
type pair struct {
	conversation string
	from, to     *websocket.Conn
	acked        atomic.Int64
	received     atomic.Int64

	mu      sync.Mutex
	at      map[string]time.Time // when it was sent, until its ack
	left    map[string]time.Time // … until the receiver has it
	spent   []time.Duration      // until the ack
	arrived []time.Duration      // until the receiver had it
	number  int
}

// makePairs makes pairs of a user at url and one at other, which may be the same server; names are what
// theirs begin with. The server of the name that is smaller is the hub.
func makePairs(ctx context.Context, url, other string, n int, names [2]string) ([]*pair, error) {
	out := make([]*pair, n)
	for i := range out {
		a, err := register(ctx, url, fmt.Sprintf("%s%d", names[0], i))
		if err != nil {
			return nil, err
		}
		b, err := register(ctx, other, fmt.Sprintf("%s%d", names[1], i))
		if err != nil {
			return nil, err
		}
		var conv frame.Conversation
		if err := post(ctx, url+"/api/v1/conversations", a.AccessToken, rest.CreateConversation{Type: "direct", Members: []string{b.UserID}}, &conv); err != nil {
			return nil, err
		}
		p := &pair{conversation: conv.ConversationID, at: map[string]time.Time{}, left: map[string]time.Time{}}
		if p.from, err = connect(ctx, url, a.AccessToken); err != nil {
			return nil, err
		}
		if p.to, err = connect(ctx, other, b.AccessToken); err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

func register(ctx context.Context, url, name string) (s rest.Session, err error) {
	return s, post(ctx, url+"/api/v1/register", "", rest.Register{Username: name, Password: "a long password"}, &s)
}

func post(ctx context.Context, url, token string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func connect(ctx context.Context, url, token string) (*websocket.Conn, error) {
	c, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/api/v1/ws", &websocket.DialOptions{
		Subprotocols: []string{"parley.v1"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(1 << 20)
	if err := c.Write(ctx, websocket.MessageText, []byte(`{"type":"sync","data":{}}`)); err != nil {
		return nil, err
	}
	_, _, err = c.Read(ctx)
	return c, err
}

// run keeps window messages under way until ctx is done.
func (p *pair) run(ctx context.Context, o options) {
	tokens := make(chan struct{}, o.window)
	for range o.window {
		tokens <- struct{}{}
	}
	go p.receive(ctx)
	go p.acks(ctx, tokens)
	text := strings.Repeat("x", o.size)
	for {
		select {
		case <-tokens:
		case <-ctx.Done():
			return
		}
		if p.send(ctx, text) != nil {
			return
		}
	}
}

func (p *pair) send(ctx context.Context, text string) error {
	p.number++
	tempID, now := strconv.Itoa(p.number), time.Now()
	p.mu.Lock()
	p.at[tempID], p.left[tempID] = now, now
	p.mu.Unlock()
	msg := fmt.Sprintf(`{"type":"send_message","data":{"tempId":%q,"conversationId":%q,"contentType":"text","content":%q}}`, tempID, p.conversation, text)
	return p.from.Write(ctx, websocket.MessageText, []byte(msg))
}

func (p *pair) acks(ctx context.Context, tokens chan<- struct{}) {
	for {
		_, raw, err := p.from.Read(ctx)
		if err != nil {
			return
		}
		var f struct {
			Type string
			Data frame.Ack
		}
		if json.Unmarshal(raw, &f) != nil || f.Type != frame.MessageAck || f.Data.Status == frame.Accepted {
			continue
		}
		p.acked.Add(1)
		p.mu.Lock()
		p.spent = append(p.spent, time.Since(p.at[f.Data.TempID]))
		delete(p.at, f.Data.TempID)
		p.mu.Unlock()
		tokens <- struct{}{}
	}
}

func (p *pair) receive(ctx context.Context) {
	for {
		_, raw, err := p.to.Read(ctx)
		if err != nil {
			return
		}
		if !bytes.Contains(raw[:min(40, len(raw))], []byte(frame.MessageReceived)) {
			continue
		}
		p.received.Add(1)
		if _, rest, ok := bytes.Cut(raw, []byte(`"tempId":"`)); ok {
			tempID, _, _ := strings.Cut(string(rest[:min(24, len(rest))]), `"`)
			p.arrive(tempID)
		}
	}
}

func (p *pair) arrive(tempID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.left[tempID]; ok {
		p.arrived = append(p.arrived, time.Since(at))
		delete(p.left, tempID)
	}
}

func (p *pair) latencies() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spent
}
