// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"parley.chat/internal/history"
	"parley.chat/server/testca"
)

// pairRun is one run over two servers that share conversations.
type pairRun struct {
	Options
	cuts   int
	rng    *rand.Rand
	sites  [2]*site
	rec    *history.Recorder
	shared shared
	result *PairResult
	under  sync.WaitGroup // cuts
}

// site is one server with its users, and the link by which the other one reaches it.
type site struct {
	name   string
	server *server
	world  *world
	in     *link
	armed  string // the failpoint at which the running server dies by itself
	book   *logbook
}

// runPair kills two servers as the seed has it, cuts the links between them, and judges the outcome. The error says that the run could
// not be finished; the result then holds what is known.
func runPair(ctx context.Context, o Options, cuts int) (*PairResult, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	r := &pairRun{Options: o, cuts: cuts, rng: rand.New(rand.NewPCG(o.Seed, 2)), rec: history.NewRecorder(history.MachineClock),
		result: &PairResult{Result: Result{Seed: o.Seed, Kills: map[string]int{}}, Cuts: cuts}}
	start := time.Now()
	defer r.close()
	err := r.build()
	if err == nil {
		err = r.play(ctx)
	}
	r.result.Took = time.Since(start)
	r.result.History = r.rec.History()
	for _, s := range r.sites {
		if s == nil {
			continue
		}
		if err != nil {
			err = fmt.Errorf("%w; the log of %s ends with:\n%s", err, s.name, s.server.lastLog())
		}
		r.result.Problems = append(r.result.Problems, s.world.allProblems()...)
		for _, line := range s.server.complaints() {
			r.result.Problems = append(r.result.Problems, s.name+": "+line)
		}
		r.result.sum(&s.world.stats)
	}
	return r.result, err
}

// build makes both servers' folders, certificates and links.
func (r *pairRun) build() error {
	files, err := testca.Make(filepath.Join(r.Dir, "ca"), time.Now(), names[:]...)
	if err != nil {
		return err
	}
	var listen [2]string
	var hosts []string
	for i := range r.sites {
		dir := filepath.Join(r.Dir, names[i])
		if err := os.MkdirAll(dir, 0o711); err != nil { // PostgreSQL may run as another user.
			return err
		}
		s, err := newServer(r.Binary, dir, r.rng)
		if err != nil {
			return err
		}
		w := newWorld(s.address, rand.New(rand.NewPCG(r.rng.Uint64(), 0)))
		w.rec, w.home = r.rec, names[i]
		r.sites[i] = &site{name: names[i], server: s, world: w}
		if listen[i], err = freeAddress(r.rng); err != nil {
			return err
		}
		if r.sites[i].in, err = newLink(listen[i]); err != nil {
			return err
		}
		hosts = append(hosts, names[i]+"="+r.sites[i].in.address())
	}
	for i, s := range r.sites {
		s.server.env = []string{
			"PARLEY_SERVER_NAME=" + s.name, "PARLEY_PUBLIC_URL=http://" + s.server.address,
			"PARLEY_REGISTRATION_MODE=open", "PARLEY_REGISTRATION_ALLOW_OPEN=true", "PARLEY_FEDERATION_ENABLED=true",
			"PARLEY_FEDERATION_LISTEN=" + listen[i], "PARLEY_FEDERATION_TLS_CERT=" + files[i].Cert, "PARLEY_FEDERATION_TLS_KEY=" + files[i].Key,
			"PARLEY_FEDERATION_CA_FILE=" + files[i].CA, "PARLEY_FEDERATION_HOSTS=" + strings.Join(hosts, ","),
			"PARLEY_FEDERATION_ALLOW_NETWORKS=127.0.0.1", "PARLEY_FEDERATION_REQUESTS_PER_MINUTE=0",
		}
	}
	return nil
}

func (r *pairRun) close() {
	for _, s := range r.sites {
		if s == nil {
			continue
		}
		if s.in != nil {
			s.in.close()
		}
		s.server.close()
	}
}

func (r *pairRun) play(ctx context.Context) error {
	plan := PairPlan(r.rng, r.Kills, r.cuts)
	for _, s := range r.sites {
		if err := s.server.start(""); err != nil {
			return err
		}
	}
	for _, s := range r.sites {
		if err := s.awaitReady(ctx); err != nil {
			return err
		}
		s.world.pointers.begin()
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	lives, stop := context.WithCancel(ctx)
	defer stop()
	var devices sync.WaitGroup
	for _, s := range r.sites {
		for _, d := range s.world.devices {
			devices.Go(func() { d.run(lives) })
		}
	}
	if err := r.awaitSame(ctx); err != nil {
		return fmt.Errorf("before anything was killed: %w", err)
	}
	if err := r.underLoad(ctx, plan); err != nil {
		return err
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	if err := r.readBack(ctx); err != nil {
		return err
	}
	stop()
	devices.Wait()
	r.judge()
	return errors.Join(r.sites[0].server.stop(30*time.Second), r.sites[1].server.stop(30*time.Second))
}

// underLoad makes load on both sides, kills and cuts until the plan is done.
func (r *pairRun) underLoad(ctx context.Context, plan []Strike) error {
	lctx, stop := context.WithCancel(ctx)
	defer stop()
	var side sync.WaitGroup
	defer side.Wait()
	defer stop()
	draw := func() *rand.Rand { return rand.New(rand.NewPCG(r.rng.Uint64(), 0)) }
	for _, s := range r.sites {
		rng := draw()
		side.Go(func() { s.world.disturb(lctx, rng) })
		s.world.setLoad(true)
		defer s.world.setLoad(false)
	}
	changing, touching := draw(), draw()
	side.Go(func() { r.change(lctx, changing) })
	side.Go(func() { r.retouch(lctx, touching) })
	defer r.under.Wait()
	if err := r.awaitAcks(ctx, [2]time.Time{}); err != nil {
		return err
	}
	for i, s := range plan {
		if err := r.strike(ctx, s); err != nil {
			return fmt.Errorf("strike %d of %d (%s): %w", i+1, len(plan), s, err)
		}
		if (i+1)%10 == 0 || i+1 == len(plan) {
			fmt.Fprintf(r.Progress, "crash: seed %d: %d of %d strikes at two servers, %d messages acknowledged, %d problems\n", r.Seed, i+1, len(plan),
				r.sites[0].world.acks()+r.sites[1].world.acks(), len(r.sites[0].world.allProblems())+len(r.sites[1].world.allProblems()))
		}
	}
	sleep(ctx, maxLoad) // What the last one broke shows under load.
	r.under.Wait()
	return r.disarm(ctx)
}

// strike makes one step of the plan and waits until both servers acknowledge again.
func (r *pairRun) strike(ctx context.Context, s Strike) error {
	sleep(ctx, s.After)
	if err := r.mend(); err != nil {
		return err
	}
	if s.Cut != nil {
		r.cut(ctx, *s.Cut)
	}
	var hit []*site
	switch s.Kill {
	case "":
		r.under.Wait()
	case Postgres:
		if err := r.killPostgres(ctx, r.sites[s.Side]); err != nil {
			return err
		}
	case Everything:
		r.result.Kills[string(Everything)]++
		hit = r.sites[:]
	default:
		hit = r.sites[s.Side : s.Side+1]
		if s.Kill == Both {
			r.result.Kills["server and database of "+hit[0].name]++
		} else {
			r.awaitDeath(ctx, hit[0])
		}
	}
	r.kill(hit, s.Kill != Server)
	var opened [2]time.Time
	for i, one := range r.sites {
		if len(hit) == 2 || len(hit) == 1 && hit[0] == one {
			arm := s.Arm
			if i != s.Side {
				arm = ""
			}
			if err := one.start(arm); err != nil {
				return err
			}
			opened[i] = one.server.started
		}
	}
	start := time.Now()
	if err := r.awaitAcks(ctx, opened); err != nil {
		return err
	}
	if len(hit) > 0 {
		r.result.Server = append(r.result.Server, time.Since(start))
	}
	return nil
}

// cut cuts links while the run goes on.
func (r *pairRun) cut(ctx context.Context, c cut) {
	for i, s := range r.sites {
		if c.To == i || c.To == 2 {
			r.under.Go(func() { s.in.during(ctx, c) })
		}
	}
}

// awaitDeath lets a server that is armed come to its failpoint.
func (r *pairRun) awaitDeath(ctx context.Context, s *site) {
	if s.armed == "" {
		r.result.Kills["server of "+s.name]++
		return
	}
	timer := time.NewTimer(failpointTime)
	defer timer.Stop()
	select {
	case <-s.server.ended:
		r.result.Kills["at "+s.armed]++
	case <-timer.C:
		r.result.Kills["failpoint not reached: "+s.armed]++
	case <-ctx.Done():
	}
}

// kill ends servers, with their databases or alone.
func (r *pairRun) kill(list []*site, databases bool) {
	var all sync.WaitGroup
	for _, s := range list {
		s.world.pointers.end()
		gap, serverFirst := time.Duration(r.rng.Int64N(int64(bothGap))), r.rng.IntN(2) == 0
		all.Go(func() {
			if serverFirst || !databases {
				s.server.kill()
			}
			if databases {
				time.Sleep(gap)
				s.server.killPostgres()
			}
			s.server.kill()
		})
	}
	all.Wait()
}

// killPostgres kills the database under a living server, which brings it back, or dies at its failpoint. One that is starting would give
// up, as it should.
func (r *pairRun) killPostgres(ctx context.Context, s *site) error {
	if err := r.awaitAcks(ctx, [2]time.Time{r.sites[0].server.started, r.sites[1].server.started}); err != nil {
		return err
	}
	r.result.Kills["database of "+s.name]++
	s.world.pointers.end()
	pid := 0
	for deadline := time.Now().Add(readyTime); time.Now().Before(deadline) && ctx.Err() == nil; sleep(ctx, 5*time.Millisecond) {
		if s.server.hasEnded() {
			return r.mend()
		}
		if pid == 0 { // The server may have died and come back meanwhile.
			pid = s.server.killPostgres()
			continue
		}
		if now, _, err := s.server.postmaster(); err == nil && now != pid && isPostgres(now) {
			return nil
		}
	}
	return errors.New("PostgreSQL did not come")
}

// start starts the server again, to die at a failpoint if one is given.
func (s *site) start(failpoint string) error {
	s.armed, _, _ = strings.Cut(failpoint, ":")
	if err := s.server.start(failpoint); err != nil {
		return err
	}
	if failpoint == "" {
		s.world.pointers.begin()
	}
	return nil
}

// mend starts servers again that died at their failpoint.
func (r *pairRun) mend() error {
	for _, s := range r.sites {
		if !s.server.hasEnded() {
			continue
		}
		if s.armed == "" {
			return fmt.Errorf("%s ended by itself: %s", s.name, s.server.cmd.ProcessState)
		}
		r.result.Kills["at "+s.armed]++
		if err := s.start(""); err != nil {
			return err
		}
	}
	return nil
}

// disarm ends servers that did not come to their failpoint, and starts them again.
func (r *pairRun) disarm(ctx context.Context) error {
	if err := r.mend(); err != nil {
		return err
	}
	for _, s := range r.sites {
		if s.armed == "" {
			continue
		}
		r.result.Kills["failpoint not reached: "+s.armed]++
		r.kill([]*site{s}, false)
		if err := s.start(""); err != nil {
			return err
		}
	}
	for _, s := range r.sites {
		if err := s.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitAcks waits until each server has acknowledged something on a connection opened since a time.
func (r *pairRun) awaitAcks(ctx context.Context, since [2]time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for i, s := range r.sites {
		first := s.world.awaitAck(since[i])
		for waiting := true; waiting; {
			select {
			case <-first:
				waiting = false
				continue
			default:
			}
			was := s.server.started
			if err := r.mend(); err != nil {
				return err
			}
			if s.server.started != was {
				first = s.world.awaitAck(s.server.started)
			}
			if !sleep(ctx, 10*time.Millisecond) {
				return fmt.Errorf("%s acknowledged no message within %s", s.name, readyTime)
			}
		}
	}
	return nil
}

// awaitReady waits until a server says that every send would be accepted.
func (s *site) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for s.world.api.once(ctx, "", http.MethodGet, "/readyz", nil, nil) != nil {
		if s.server.hasEnded() || !sleep(ctx, 10*time.Millisecond) {
			return fmt.Errorf("%s did not become ready", s.name)
		}
	}
	return nil
}
