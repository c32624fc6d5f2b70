// SPDX-License-Identifier: Apache-2.0

package timeline

import "sync"

// pending is a command on its way, and who waits for it. It holds its conversation until it is finished, even if its caller
// left: what is decided on the tentative state must not be evicted before it is committed.
type pending struct {
	cmd    Command
	conv   *conv
	key    int64
	known  *Seen  // found in the store before queueing
	result Result // once decided

	mu        sync.Mutex
	finished  bool
	out       outcome
	followers []*pending // repeats that came before the commit
	then      func(Result, error)
}

type outcome struct {
	Result
	err error
}

func newPending(cmd Command, c *conv, then func(Result, error)) *pending {
	return &pending{cmd: cmd, conv: c, key: dedupKey(cmd.Device, cmd.TempID), then: then}
}

// finish answers the command and its repeats, once.
func (p *pending) finish(r Result, err error) {
	p.mu.Lock()
	p.finished, p.out = true, outcome{r, err}
	followers := p.followers
	p.followers = nil
	p.mu.Unlock()
	p.conv.shard.release(p.conv)
	p.then(r, err)
	for _, f := range followers {
		f.finishAs(outcome{r, err})
	}
}

// follow answers f as p is or will be answered: also a failure, because then f was not committed either.
func (p *pending) follow(f *pending) {
	p.mu.Lock()
	if !p.finished {
		p.followers = append(p.followers, f)
		p.mu.Unlock()
		return
	}
	out := p.out
	p.mu.Unlock()
	f.finishAs(out)
}

func (p *pending) finishAs(o outcome) {
	o.Duplicate = o.err == nil
	p.finish(o.Result, o.err)
}
