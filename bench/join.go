// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// join fills a group with entries and one with 100, adds a user of another server to each, and prints what that took: the time until
// the user has the group and can write in it, and the bytes that the hub sent.
func join(ctx context.Context, o options) error {
	a, b, err := startTwo(ctx, o.binary)
	for _, s := range []*server{a, b} {
		if s != nil {
			defer s.stop()
		}
	}
	if err != nil {
		return err
	}
	first, err := makePairs(ctx, a.url, b.url, 1, [2]string{"warm", "up"}) // Servers that know each other.
	if err != nil {
		return err
	}
	_ = first[0].from.CloseNow()
	for round, entries := range []int{100, o.join} {
		owner, err := register(ctx, a.url, fmt.Sprint("owner", round))
		if err != nil {
			return err
		}
		group, err := filled(ctx, a.url, owner, entries, o)
		if err != nil {
			return err
		}
		for try := range 5 {
			if err := joinOnce(ctx, a, b, owner, group, fmt.Sprintf("guest%d-%d", round, try), entries); err != nil {
				return err
			}
		}
	}
	return nil
}

// filled makes a group with so many messages.
func filled(ctx context.Context, url string, owner rest.Session, entries int, o options) (string, error) {
	var conv frame.Conversation
	if err := post(ctx, url+"/api/v1/conversations", owner.AccessToken, rest.CreateConversation{Type: "group", Name: "Long"}, &conv); err != nil {
		return "", err
	}
	ws, err := connect(ctx, url, owner.AccessToken)
	if err != nil {
		return "", err
	}
	defer ws.CloseNow()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &pair{conversation: conv.ConversationID, from: ws, at: map[string]time.Time{}, left: map[string]time.Time{}}
	tokens := make(chan struct{}, 512)
	for range cap(tokens) {
		tokens <- struct{}{}
	}
	go p.acks(ctx, tokens)
	text := strings.Repeat("x", o.size)
	for n := range entries {
		<-tokens
		if err := p.send(ctx, text); err != nil {
			return "", err
		}
		if n%50_000 == 49_999 {
			fmt.Printf("%d of %d messages written\n", n+1, entries)
		}
	}
	for range cap(tokens) { // All have their ack.
		<-tokens
	}
	return conv.ConversationID, nil
}

func joinOnce(ctx context.Context, a, b *server, owner rest.Session, group, name string, entries int) error {
	guest, err := register(ctx, b.url, name)
	if err != nil {
		return err
	}
	before, err := gauge(ctx, a.url, "parley_outbox_bytes_total")
	if err != nil {
		return err
	}
	start := time.Now()
	var added frame.Conversation
	if err := post(ctx, a.url+"/api/v1/conversations/"+group+"/members", owner.AccessToken, rest.AddMembers{UserIDs: []string{guest.UserID}}, &added); err != nil {
		return err
	}
	for {
		var ack frame.Ack
		err := post(ctx, b.url+"/api/v1/conversations/"+group+"/messages", guest.AccessToken, frame.Send{TempID: "1", Content: "hi", ContentType: "text"}, &ack)
		if err == nil && ack.Status == frame.Sent {
			break
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	took := time.Since(start)
	after, err := gauge(ctx, a.url, "parley_outbox_bytes_total")
	if err != nil {
		return err
	}
	fmt.Printf("%8d entries: added, there, and wrote after %v; the hub pushed %.0f bytes\n", entries, took.Round(time.Millisecond), after-before)
	leave, err := http.NewRequestWithContext(ctx, http.MethodDelete, b.url+"/api/v1/conversations/"+group+"/members/"+guest.UserID, nil)
	if err != nil {
		return err
	}
	leave.Header.Set("Authorization", "Bearer "+guest.AccessToken)
	resp, err := http.DefaultClient.Do(leave) // So that the next one begins anew.
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// gauge reads a value of /metrics.
func gauge(ctx context.Context, url, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(text, 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}
