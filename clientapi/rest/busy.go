// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"sync"
	"time"

	"parley.chat/protocol/fault"
)

// WaitsPerDevice is how many long polls and event streams one device may have open. spec: REST-RATE-2
const WaitsPerDevice = 10

// busy counts what is under way by key; what is not under way takes no memory.
type busy struct {
	mu   sync.Mutex
	keys map[string]int
}

// begin counts one more, unless there are most already; 0 is no bound. Call end once if it is true.
func (b *busy) begin(key string, most int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if most > 0 && b.keys[key] >= most {
		return false
	}
	if b.keys == nil {
		b.keys = map[string]int{}
	}
	b.keys[key]++
	return true
}

func (b *busy) end(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys[key]--; b.keys[key] <= 0 {
		delete(b.keys, key)
	}
}

// place finds what bounds the request: those that wait by device, others by user, those of nobody by address. A loopback
// address is that of a proxy on this machine, which is everybody's.
func (d *door) place(rt Route, c *Call) (key string, most int) {
	switch {
	case c.Caller.User != "" && rt.Waits:
		return "device " + string(c.Caller.User) + " " + string(c.Caller.Device), WaitsPerDevice
	case c.Caller.User != "":
		return "user " + string(c.Caller.User), d.AtOnce
	case !c.Client.IsValid() || c.Client.IsLoopback() || rt.Stream != nil:
		return "", 0
	}
	return c.Client.String(), d.AtOnce
}

// occupy counts the request until leave is called, which is when its answer is written. Faults: rate_limited.
func (d *door) occupy(rt Route, c *Call) (leave func(), err error) {
	key, most := d.place(rt, c)
	if key == "" {
		return func() {}, nil
	}
	if !d.busy.begin(key, most) {
		return nil, fault.Retry(fault.RateLimited, time.Second, "at most %d such requests at a time", most)
	}
	return func() { d.busy.end(key) }, nil
}
