// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// socketsOfUser is how many sockets one device may hold.
const socketsOfUser = 10

// idle connects n synced sockets and prints what each costs the server at rest.
func idle(ctx context.Context, srv *server, n int) error {
	var tokens []string
	for i := range (n + socketsOfUser - 1) / socketsOfUser {
		s, err := register(ctx, srv.url, fmt.Sprintf("idle%d", i))
		if err != nil {
			return err
		}
		tokens = append(tokens, s.AccessToken)
	}
	// The slope between two numbers of sockets: what the registrations left behind is in both. The heap is given back to the
	// system at its own pace, so the first number rests longer.
	half := n / 2
	if err := connectAll(ctx, srv, tokens, 0, half); err != nil {
		return err
	}
	before, err := srv.settled()
	if err != nil {
		return err
	}
	if err := connectAll(ctx, srv, tokens, half, n); err != nil {
		return err
	}
	after, err := srv.settled()
	if err != nil {
		return err
	}
	n -= half
	fmt.Printf("idle          %d synced sockets, %.1f KB resident each (%.1f MB before, %.1f MB after)\n",
		n, float64(after-before)/float64(n)/1e3, float64(before)/1e6, float64(after)/1e6)
	return nil
}

func connectAll(ctx context.Context, srv *server, tokens []string, from, to int) error {
	for i := from; i < to; i++ {
		if _, err := connect(ctx, srv.url, tokens[i/socketsOfUser]); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until resident memory stops falling.
func (s *server) settled() (int64, error) {
	last := int64(1 << 62)
	for {
		time.Sleep(10 * time.Second)
		now, err := s.rss()
		if err != nil || now >= last-last/100 {
			return now, err
		}
		last = now
	}
}

// rss is the server's resident memory in bytes.
func (s *server) rss() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
