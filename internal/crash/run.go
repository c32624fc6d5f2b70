// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"parley.chat/internal/history"
	"parley.chat/protocol/id"
)

// Options say what to run.
type Options struct {
	Binary   string    // of Build
	Dir      string    // an empty folder for data and logs, which every user may pass through
	Kills    int       // at least 1
	Seed     uint64    // of everything that is drawn
	Progress io.Writer // a line now and then; nil for none
}

const (
	readyTime     = 90 * time.Second // in which a server must serve again
	failpointTime = 10 * time.Second // in which an armed failpoint must be reached
	restTime      = 90 * time.Second // in which everything must come to rest
	quietTime     = 1500 * time.Millisecond
)

// run is one run on its way.
type run struct {
	Options
	rng    *rand.Rand
	server *server
	world  *world
	result *Result
	armed  bool // the running server dies by itself
	invite func(context.Context, *world) error
}

// runWith kills servers as the seed has it and judges the outcome; invite adds guests to the world. The error says that the
// run could not be finished, for example because a server did not come back; the result then holds what is known.
func runWith(ctx context.Context, o Options, invite func(context.Context, *world) error) (*Result, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	r := &run{Options: o, rng: rand.New(rand.NewPCG(o.Seed, 0)), invite: invite,
		result: &Result{Seed: o.Seed, Kills: map[string]int{}}}
	var err error
	if r.server, err = newServer(o.Binary, o.Dir, r.rng); err != nil {
		return r.result, err
	}
	defer r.server.close()
	r.world = newWorld(r.server.address, r.rng)
	start := time.Now()
	if err = r.play(ctx); err != nil {
		err = fmt.Errorf("%w; the server's log ends with:\n%s", err, r.server.lastLog())
		r.result.History = r.world.rec.History()
	}
	r.result.Took = time.Since(start)
	r.result.Problems = append(r.result.Problems, r.world.problems...)
	r.result.Problems = append(r.result.Problems, r.server.complaints()...)
	r.result.counters = r.world.stats
	return r.result, err
}

func (r *run) play(ctx context.Context) error {
	plan := Plan(r.rng, r.Kills)
	if err := r.server.start(""); err != nil {
		return err
	}
	if err := r.awaitReady(ctx); err != nil {
		return err
	}
	r.world.pointers.begin()
	if err := errors.Join(r.world.settle(ctx), r.invite(ctx, r.world)); err != nil {
		return err
	}
	devices, stop := r.populate(ctx)
	defer stop()
	if err := r.underLoad(ctx, plan); err != nil {
		return err
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	log, err := r.readBack(ctx)
	if err != nil {
		return err
	}
	stop()
	devices.Wait()
	r.judge(log)
	return r.server.stop(30 * time.Second)
}

// populate starts the devices; stop ends them.
func (r *run) populate(ctx context.Context) (all *sync.WaitGroup, stop context.CancelFunc) {
	ctx, stop = context.WithCancel(ctx)
	all = &sync.WaitGroup{}
	for _, d := range r.world.devices {
		all.Go(func() { d.run(ctx) })
	}
	for _, g := range r.world.guests {
		all.Go(func() { g.run(ctx) })
	}
	return all, stop
}

// underLoad makes load and kills until the plan is done.
func (r *run) underLoad(ctx context.Context, plan []Kill) error {
	w := r.world
	lctx, stop := context.WithCancel(ctx)
	defer stop()
	changing, disturbing := rand.New(rand.NewPCG(r.rng.Uint64(), 0)), rand.New(rand.NewPCG(r.rng.Uint64(), 0))
	touching := rand.New(rand.NewPCG(r.rng.Uint64(), 0))
	var side sync.WaitGroup
	side.Go(func() { w.change(lctx, changing) })
	side.Go(func() { w.retouch(lctx, touching) })
	side.Go(func() { w.disturb(lctx, disturbing) })
	defer side.Wait()
	defer stop()
	w.setLoad(true)
	defer w.setLoad(false)
	if _, err := r.awaitAck(ctx, w.awaitAck(time.Time{}), time.Now()); err != nil {
		return err
	}
	for i, k := range plan {
		next := ""
		if i+1 < len(plan) {
			next = plan[i+1].Failpoint
		}
		if err := r.step(ctx, k, next); err != nil {
			return fmt.Errorf("kill %d of %d (%s): %w", i+1, len(plan), k, err)
		}
		if (i+1)%10 == 0 || i+1 == len(plan) {
			fmt.Fprintf(r.Progress, "crash: seed %d: %d of %d kills, %d messages acknowledged, %d problems\n",
				r.Seed, i+1, len(plan), w.acks(), len(w.allProblems()))
		}
	}
	sleep(ctx, maxLoad) // What the last one broke shows under load.
	return nil
}

// step makes one kill and waits until a message is acknowledged again.
func (r *run) step(ctx context.Context, k Kill, next string) error {
	if k.Failpoint == "" {
		sleep(ctx, k.After)
		if r.server.hasEnded() {
			return fmt.Errorf("the server ended by itself: %s", r.server.cmd.ProcessState)
		}
	}
	kind := string(k.Target)
	r.world.pointers.end()
	switch {
	case k.Target == Postgres:
		r.result.Kills[kind]++
		if err := r.killPostgres(ctx); err != nil {
			return err
		}
		return r.awaitWhole(ctx, k)
	case k.Target == Both:
		r.killBoth(ctx, k)
	case k.Failpoint == "":
		r.server.kill()
	default:
		point, _, _ := strings.Cut(k.Failpoint, ":")
		kind += " at " + point
		select {
		case <-r.server.ended:
		case <-time.After(failpointTime):
			kind = "server, failpoint not reached"
			r.server.kill()
		}
	}
	r.result.Kills[kind]++
	if err := r.restart(ctx, next); err != nil {
		return err
	}
	return r.awaitWhole(ctx, k)
}

// awaitWhole waits until every shard is served again, if the plan wants that.
func (r *run) awaitWhole(ctx context.Context, k Kill) error {
	if !k.Ready {
		return nil
	}
	err := r.awaitReady(ctx)
	switch {
	case r.armed && r.server.hasEnded():
		return nil
	case err == nil && k.Target != Postgres:
		r.result.Ready = append(r.result.Ready, time.Since(r.server.started))
	}
	return err
}

func (r *run) killBoth(ctx context.Context, k Kill) {
	first, second := func() { r.server.killPostgres() }, r.server.kill
	if k.ServerFirst {
		first, second = second, first
	}
	first()
	sleep(ctx, k.Gap)
	second()
}

// killPostgres kills the database under the living server, which has to bring it back.
func (r *run) killPostgres(ctx context.Context) error {
	start := time.Now()
	pid := r.server.killPostgres()
	if pid == 0 {
		return errors.New("there is no PostgreSQL to kill")
	}
	pctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := r.server.awaitPostgres(pctx, pid); err != nil {
		return err
	}
	took, err := r.awaitAck(ctx, r.world.awaitAck(time.Time{}), start)
	r.result.Postgres = append(r.result.Postgres, took)
	return err
}

// restart starts the server again; one armed with a failpoint may die before it acknowledges anything.
func (r *run) restart(ctx context.Context, failpoint string) error {
	r.armed = failpoint != ""
	if err := r.server.start(failpoint); err != nil {
		return err
	}
	if !r.armed {
		r.world.pointers.begin()
	}
	took, err := r.awaitAck(ctx, r.world.awaitAck(r.server.started), r.server.started)
	if err == nil && took > 0 {
		r.result.Server = append(r.result.Server, took)
	}
	return err
}

// awaitAck waits for the first acknowledgement and returns the time since start, or 0 if an armed server died before.
func (r *run) awaitAck(ctx context.Context, first <-chan struct{}, start time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	select {
	case <-first:
		return time.Since(start), nil
	case <-r.server.ended:
		if r.armed {
			return 0, nil
		}
		return 0, fmt.Errorf("the server ended by itself: %s", r.server.cmd.ProcessState)
	case <-ctx.Done():
		return 0, fmt.Errorf("no message was acknowledged within %s", readyTime)
	}
}

// awaitReady waits until the server says that every send would be accepted.
func (r *run) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		if r.world.api.once(ctx, "", http.MethodGet, "/readyz", nil, nil) == nil {
			return nil
		}
		if r.server.hasEnded() || !sleep(ctx, 10*time.Millisecond) {
			return errors.New("the server did not become ready")
		}
	}
}

// rest waits until nothing moves any more, then lets every second device sync again from its cursor. The others must
// have everything without that.
func (r *run) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	if err := r.awaitRest(ctx); err != nil {
		return err
	}
	before := map[*device]int{}
	for i, d := range r.world.devices {
		if i%2 == 0 {
			before[d] = d.pagesSeen()
			d.lose()
		}
	}
	for d, n := range before {
		for d.pagesSeen() == n {
			if !sleep(ctx, 20*time.Millisecond) {
				return fmt.Errorf("device %s did not sync at the end", d.login.device)
			}
		}
	}
	return r.awaitRest(ctx)
}

func (r *run) awaitRest(ctx context.Context) error {
	for {
		busy := r.world.busy()
		if busy == "" {
			return nil
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("nothing came to rest within %s: %s", restTime, busy)
		}
	}
}

// busy says what still moves, "" for nothing.
func (w *world) busy() string {
	for _, d := range w.devices {
		_, synced, _ := d.state()
		if n, g := d.out.waiting(), d.openGaps(); n > 0 || g > 0 || !synced {
			return fmt.Sprintf("device %s has %d messages to send and %d gaps, synced %t", d.login.device, n, g, synced)
		}
	}
	for _, g := range w.guests {
		if busy := g.busy(); busy != "" {
			return busy
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.lastMove) < quietTime {
		return "events arrive"
	}
	return ""
}

func (r *run) readBack(ctx context.Context) (*logbook, error) {
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	dsn, err := r.server.dsn()
	if err != nil {
		return nil, err
	}
	return readLog(ctx, dsn)
}

// judge completes the history by who might see what, and checks it.
func (r *run) judge(log *logbook) {
	w := r.world
	var readers []history.Reader
	for _, d := range w.devices {
		readers = append(readers, d.reader(""))
	}
	for _, g := range w.guests {
		readers = append(readers, g.reader())
	}
	for _, reader := range readers {
		for name, users := range log.stays {
			reader.Conversation = name
			for _, s := range users[id.User(reader.User)] {
				w.rec.Join(reader, s.first)
				if s.last >= 0 {
					w.rec.Leave(reader, s.last)
				}
			}
		}
	}
	w.rec.Quiet("")
	r.result.History, r.result.Log = w.rec.History(), log.entries
	r.result.Report = history.Check(r.result.History, log.entries)
	r.result.Problems = append(r.result.Problems, log.problems...)
	r.result.Problems = append(r.result.Problems, w.judgeTouched(log)...)
	r.result.Problems = append(r.result.Problems, w.pointers.judgeStored(log.pointers)...)
	r.result.checked = true
}
