// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"parley.chat/protocol/fault"
)

// The retry rules of the catalogue.
const (
	retryNever  = "never"
	retryLater  = "later"
	afterLogin  = "after_login"
	afterResync = "after_resync"
)

// retryRule tells what the catalogue says of an error. What is no fault is trouble on the way: later. A code this
// client does not know is judged by what came with it.
func retryRule(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return retryLater
	}
	if f.Code == fault.Internal || fault.Lookup(f.Code) != fault.Lookup(fault.Internal) {
		return fault.Lookup(f.Code).Retry
	}
	var status statusError
	if f.RetryAfter > 0 || (errors.As(err, &status) && (status >= 500 || status == 429)) {
		return retryLater
	}
	return retryNever
}

// waitOf is the pause an error asks for, 0 if it names none.
func waitOf(err error) time.Duration {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.RetryAfter
	}
	return 0
}

// backoff doubles a pause with jitter, from low up to high.
type backoff struct {
	low, high time.Duration
	n         int
}

// next returns the next pause: between half of the step and the whole step.
func (b *backoff) next() time.Duration {
	step := b.high
	if b.n < 20 && b.low<<b.n < b.high {
		step = b.low << b.n
	}
	b.n++
	return step/2 + rand.N(step/2+1)
}

func (b *backoff) reset() { b.n = 0 }

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
