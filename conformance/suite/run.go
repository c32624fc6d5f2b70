// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"parley.chat/conformance/client"
)

// Result is how one case ended.
type Result struct {
	Case      *Case
	Status    Status
	Diagnosis string // one line, "" if it passed
	Notes     []string
	Took      time.Duration
	Traffic   []client.Exchange // of the attempt that counts
	Dropped   int               // exchanges before those
}

// Run runs the cases and returns their results in the order of the cases. Cases that may run beside others come first,
// those that take longest at the head; then the others, one by one.
func (e *Env) Run(ctx context.Context, list []*Case) []*Result {
	results := make([]*Result, len(list))
	var mu sync.Mutex
	done := 0
	finish := func(i int) {
		r := e.run(ctx, list[i])
		mu.Lock()
		defer mu.Unlock()
		results[i] = r
		done++
		if e.options.Progress != nil {
			e.options.Progress(done, len(list), r)
		}
	}
	beside, alone := order(list)
	var all sync.WaitGroup
	slots := make(chan struct{}, e.options.Parallel)
	for _, i := range beside {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			finish(i)
		})
	}
	all.Wait()
	for _, i := range alone {
		finish(i)
	}
	return results
}

func order(list []*Case) (beside, alone []int) {
	for i, c := range list {
		if c.Parallel {
			beside = append(beside, i)
		} else {
			alone = append(alone, i)
		}
	}
	slices.SortStableFunc(beside, func(a, b int) int { return int(list[b].timeout() - list[a].timeout()) })
	weight := func(c *Case) int {
		if c.Last {
			return 1 << 30
		}
		return c.Needs.Accounts
	}
	slices.SortStableFunc(alone, func(a, b int) int { return weight(list[a]) - weight(list[b]) })
	return beside, alone
}

// run runs a case, and once more if it failed.
func (e *Env) run(ctx context.Context, c *Case) *Result {
	begin := time.Now()
	r := e.attempt(ctx, c)
	if r.Status == Fail && !e.options.Once && ctx.Err() == nil {
		if again := e.attempt(ctx, c); again.Status == Pass {
			r.Status = Flaky
			r.Diagnosis = "passed when tried again; the first time: " + r.Diagnosis
		}
	}
	r.Took = time.Since(begin)
	return r
}

func (e *Env) attempt(ctx context.Context, c *Case) *Result {
	r := &Result{Case: c}
	if status, reason := e.lacks(c); status != "" {
		r.Status, r.Diagnosis = status, reason
		return r
	}
	inner, cancel := context.WithTimeout(ctx, c.timeout()+e.rateTime())
	defer cancel()
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.ID))
	t := &T{Env: e, Rec: &client.Recorder{}, ctx: inner, of: c, Rand: rand.New(rand.NewPCG(e.options.Seed, h.Sum64()))}
	r.Status, r.Diagnosis = t.guarded(c.Run)
	for _, f := range slices.Backward(t.cleanup) {
		f()
	}
	if ctx.Err() != nil && r.Status != Pass {
		r.Status, r.Diagnosis = Error, "the run was interrupted"
	}
	if v := t.Rec.Violations(); len(v) > 0 && (r.Status == Pass || r.Status == Skip) {
		r.Status, r.Diagnosis = Fail, "breaks the published schemas: "+v[0]
	}
	r.Diagnosis = client.Redact(strings.ReplaceAll(r.Diagnosis, "\n", " "))
	r.Notes = t.Rec.Notes()
	r.Traffic, r.Dropped = t.Rec.Exchanges()
	return r
}

// rateTime is what a case may have to wait for rates, beside its own time.
func (e *Env) rateTime() time.Duration {
	for _, name := range []string{"messagesPerMinute", "groupMessagesPerMinute"} {
		if e.Discovery.At("limits", name).Int() > 0 {
			return time.Minute
		}
	}
	return 0
}

// lacks tells without running it that a case cannot or need not run.
func (e *Env) lacks(c *Case) (Status, string) {
	missing := e.Lab.Missing(c.Needs.Lab)
	switch {
	case !e.Claims(c.Feature):
		return Skip, "the server does not claim " + c.Feature
	case len(missing) > 0:
		return Impossible, "no lab hook " + strings.Join(missing, ", ")
	case c.Needs.Mock && e.Mock == nil:
		return Impossible, "no mock homeserver; name one with --mock, --mock-cert and --mock-key"
	case c.Needs.Servers > 1 && e.Peer == nil:
		return Impossible, "no second homeserver; name one with --peer"
	case c.Needs.Fresh && !e.CanRegister():
		return Impossible, "needs accounts of its own, and the given ones are not its to destroy"
	}
	return "", ""
}

// guarded turns the ways in which a case can end into a status.
func (t *T) guarded(f func(*T)) (status Status, diagnosis string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case end:
			status, diagnosis = r.status, r.diagnosis
		default:
			status, diagnosis = Error, fmt.Sprintf("panic: %v at %s", r, where(debug.Stack()))
		}
	}()
	f(t)
	return Pass, ""
}

// where finds the line that panicked in a stack.
func where(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic(") && i+3 < len(lines) {
			place := strings.TrimSpace(lines[i+3])
			return place[strings.LastIndex(place, "/")+1:]
		}
	}
	return "an unknown place"
}
