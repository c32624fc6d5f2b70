// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"fmt"
	"time"
)

const flushTimeout = 3 * time.Second // for what is queued when the user leaves

// flush gives what is queued a moment to leave.
func (a *app) flush(ctx context.Context, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if n := a.client.Unsent(); n > 0 {
		a.screen.print(fmt.Sprintf("%s unsent; waiting %d s at most.", messagesAre(n), flushTimeout/time.Second))
	}
	for a.client.Unsent() > 0 {
		select {
		case u := <-a.client.Events():
			a.update(ctx, u)
		case err := <-ended:
			return err
		case <-ctx.Done():
			if n := a.client.Unsent(); n > 0 {
				a.screen.print(stillUnsent(n))
			}
			return nil
		}
	}
	for {
		select {
		case u := <-a.client.Events():
			a.update(ctx, u)
		default:
			return nil
		}
	}
}

func messagesAre(n int) string {
	if n == 1 {
		return "1 message is"
	}
	return fmt.Sprintf("%d messages are", n)
}

func stillUnsent(n int) string {
	then := "they stay queued and go next time."
	if n == 1 {
		then = "it stays queued and goes next time."
	}
	return messagesAre(n) + " still unsent; " + then
}
