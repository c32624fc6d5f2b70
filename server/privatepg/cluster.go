// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Options say where the cluster lives and how it reports.
type Options struct {
	// Dir is the data folder of PostgreSQL. Beside it lie "<Dir>.lock" and "<Dir>.log". Missing parents are made with
	// mode 0755, because the user that runs PostgreSQL must be able to pass through them.
	Dir string
	// Log receives what happens to the child; nil discards it.
	Log *slog.Logger
	// Settings are added to, or replace, the server settings of this package. With fsync=off initdb skips its own sync
	// too, so that is for throw-away clusters only.
	Settings map[string]string
}

// Cluster is one running private PostgreSQL. Make it with Open; it ends with Close or with the context of Run.
type Cluster struct {
	log      *slog.Logger
	dir      string
	settings map[string]string
	programs programs
	as       identity
	socket   string
	lock     *os.File
	starter  *starter

	closing   chan struct{}
	closeOnce sync.Once
	endOnce   sync.Once

	mu      sync.Mutex // Leaf: guards the two fields below.
	child   *child
	running chan struct{}
}

// Open makes the cluster if the folder is empty, starts it, waits until it answers and creates the database "parley".
// It refuses a folder of another major version and one that another living server holds, without touching them.
// The context bounds the start only. Crash recovery may take minutes after a large crash; Open waits for it.
func Open(ctx context.Context, o Options) (*Cluster, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	found, err := findPrograms(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := resolve(o.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(ctx, dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{log: log, dir: dir, settings: o.Settings, lock: lock, starter: newStarter(), closing: make(chan struct{})}
	if err := c.open(ctx, found); err != nil {
		c.end()
		return nil, fmt.Errorf("private postgresql in %s: %w", dir, err)
	}
	return c, nil
}

func (c *Cluster) open(ctx context.Context, found []programs) error {
	major, err := folderVersion(c.dir)
	if err != nil {
		return err
	}
	if c.programs, err = choosePrograms(found, major); err != nil {
		return err
	}
	if c.as, err = chooseIdentity(c.dir, major != ""); err != nil {
		return err
	}
	if major == "" {
		if err := c.initdb(ctx); err != nil {
			return err
		}
	}
	if err := c.waitFree(ctx); err != nil {
		return err
	}
	if c.socket, err = makeSocketFolder(c.dir, c.as); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	return c.createDatabase(ctx)
}

// DSN returns the connection string of the database "parley" in the form pgx reads. It stays the same over restarts of
// the child.
func (c *Cluster) DSN() string { return c.dsn(databaseName) }

func (c *Cluster) dsn(database string) string {
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s", c.socket, socketPort, superuser, database)
}

// Pid returns the process id of the postmaster, 0 when none runs at the moment. It is for crash tests.
func (c *Cluster) Pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.child == nil || c.child.ended() {
		return 0
	}
	return c.child.pid
}

// Run supervises the child until ctx is done: a child that dies is started again, with growing pauses while that does
// not work. At the end it makes a fast shutdown, waits for it and returns nil. The cluster is closed then.
func (c *Cluster) Run(ctx context.Context) error {
	ended := make(chan struct{})
	c.mu.Lock()
	taken := c.running != nil
	if !taken {
		c.running = ended
	}
	c.mu.Unlock()
	if taken {
		return errors.New("private postgresql: Run was called twice")
	}
	defer close(ended)
	defer c.end()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	c.supervise(ctx)
	return nil
}

// supervise returns when ctx is done.
func (c *Cluster) supervise(ctx context.Context) {
	pause := minPause
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		child := c.currentChild()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			boundLog(logPath(c.dir))
			continue
		case <-child.done:
		}
		if time.Since(child.since) > longLife {
			pause = minPause
		}
		c.log.Error("private postgresql ended, starting it again", "pid", child.pid, "how", child.how(), "pause", pause)
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, maxPause)
		if err := c.start(ctx); err != nil && ctx.Err() == nil {
			c.log.Error("private postgresql did not start", "err", err)
		}
	}
}

// Close stops the child with a fast shutdown, waits for it and for Run, and frees the folder. It may be called many
// times; every call returns after the cluster has ended. The error is always nil today.
func (c *Cluster) Close() error {
	c.closeOnce.Do(func() { close(c.closing) })
	c.mu.Lock()
	running := c.running
	c.mu.Unlock()
	if running != nil {
		<-running
	}
	c.end()
	return nil
}

func (c *Cluster) end() {
	c.endOnce.Do(func() {
		if child := c.currentChild(); child != nil {
			child.stop(c.log)
		}
		c.starter.stop()
		if c.socket != "" {
			_ = os.RemoveAll(c.socket)
		}
		_ = c.lock.Close()
	})
}

func (c *Cluster) currentChild() *child {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.child
}

func (c *Cluster) setChild(child *child) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.child = child
}

const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
	longLife = 30 * time.Second
)

// sleep reports whether the whole pause passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
