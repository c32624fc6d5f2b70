// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// run has both servers until ctx is done or both ended. It returns nil if it was told to stop and they stopped in order.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	runtime.LockOSThread() // The servers are told to stop when the thread that started them ends.
	defer runtime.UnlockOSThread()
	list, err := plan(o)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nStarting two homeservers with their data in %s\n\n", o.dir)
	var both []*process
	defer func() { err = errors.Join(err, stopAll(both, out)) }()
	for _, h := range list {
		p, err := launch(o.parley, h)
		if err != nil {
			return err
		}
		both = append(both, p)
	}
	if err := settle(ctx, o, both, out); err != nil {
		if ctx.Err() != nil {
			return nil // It was told to stop before they were ready.
		}
		return err
	}
	explain(out, o, both)
	return watch(ctx, both, out, o)
}

// settle waits until both are ready and each had a signed request answered by the other.
func settle(ctx context.Context, o options, both []*process, out io.Writer) error {
	for _, p := range both {
		if err := p.waitReady(ctx); err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s   %s   for servers %s   process %d   log %s\n", p.Name, p.URL(), p.servers, p.cmd.Process.Pid, shown(p.log()))
	}
	fmt.Fprintln(out)
	for i, p := range both {
		other := both[1-i]
		if err := p.examine(ctx, o.parley, other.homeserver); err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s found %s, and its signed request was answered\n", p.Name, other.Name)
	}
	return nil
}

func explain(out io.Writer, o options, both []*process) {
	a, b := both[0], both[1]
	fmt.Fprintf(out, "\nTalk, in two more terminals:\n\n")
	for _, p := range both {
		fmt.Fprintf(out, "  %s chat --server %s --user %s\n", o.parley, p.URL(), p.User)
	}
	fmt.Fprintf(out, "\n  and there:  /dm %s@%s\n", b.User, b.Name)
	fmt.Fprintf(out, "\nExamine one from the other:\n\n  %s doctor -config %s %s\n", o.parley, shown(a.config()), b.Name)
	fmt.Fprintf(out, "\nTake one away, and bring it back:\n\n  kill -9 %d\n  %s\n", b.cmd.Process.Pid, again(o, b))
	fmt.Fprintf(out, "\nCtrl-C stops both.\n\n")
}

func again(o options, p *process) string {
	return o.parley + " serve -config " + shown(p.config())
}

// watch waits for the end, and tells of a server that ends by itself.
func watch(ctx context.Context, both []*process, out io.Writer, o options) error {
	left := len(both)
	ended := make(chan *process, left)
	for _, p := range both {
		go func() {
			<-p.done
			ended <- p
		}()
	}
	for left > 0 {
		select {
		case <-ctx.Done():
			return nil
		case p := <-ended:
			left--
			fmt.Fprintf(out, "%s ended (%s); start it again with\n\n  %s\n\n", p.Name, p.cmd.ProcessState, again(o, p))
		}
	}
	return errors.New("both servers ended")
}

// stopAll stops them one after the other: the second one has somebody to tell until then.
func stopAll(list []*process, out io.Writer) error {
	var failures []error
	for _, p := range list {
		if p.hasEnded() {
			continue
		}
		err := p.stop()
		if err == nil {
			fmt.Fprintf(out, "%s stopped\n", p.Name)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// shown is a path as one would type it here.
func shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}
