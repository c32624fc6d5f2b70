// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	binary  string
	pairs   int
	window  int
	size    int
	seconds int
	idle    int
	channel int

	federated bool
	join      int
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.binary, "binary", "", "server binary; built from this tree if empty")
	flags.IntVar(&o.pairs, "pairs", 50, "pairs of users, each in a direct conversation")
	flags.IntVar(&o.window, "window", 16, "messages a sender has unacknowledged at a time")
	flags.IntVar(&o.size, "size", 100, "bytes of text in a message")
	flags.IntVar(&o.seconds, "seconds", 10, "how long to measure, after two seconds of warming up")
	flags.IntVar(&o.idle, "idle", 0, "instead: connect so many sockets and print their memory")
	flags.IntVar(&o.channel, "channel", 0, "instead: post to a channel with so many subscribers and to one with 1,000, and compare")
	flags.BoolVar(&o.federated, "federated", false, "instead: pairs across two servers, in both directions, and beside them pairs of one server")
	flags.IntVar(&o.join, "join", 0, "instead: add users of another server to a group with so many entries and to one with 100, and compare")
	_ = flags.Parse(args)
	if o.federated {
		return federated(ctx, o)
	}
	if o.join > 0 {
		return join(ctx, o)
	}

	srv, err := start(ctx, o.binary)
	if err != nil {
		return err
	}
	defer srv.stop()
	if o.idle > 0 {
		return idle(ctx, srv, o.idle)
	}
	if o.channel > 0 {
		return channels(ctx, srv, o.channel, o)
	}
	pairs, err := makePairs(ctx, srv.url, srv.url, o.pairs, [2]string{"a", "b"})
	if err != nil {
		return err
	}
	fmt.Printf("%d pairs connected; measuring %d s\n", len(pairs), o.seconds)
	return measure(ctx, srv, pairs, o)
}

// measure loads the server and prints what it took.
func measure(ctx context.Context, srv *server, pairs []*pair, o options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range pairs {
		wg.Go(func() { p.run(ctx, o) })
	}
	time.Sleep(2 * time.Second)
	before, err := srv.usage()
	if err != nil {
		return err
	}
	sent, received := totals(pairs)
	time.Sleep(time.Duration(o.seconds) * time.Second)
	after, err := srv.usage()
	if err != nil {
		return err
	}
	sent2, received2 := totals(pairs)
	cancel()
	wg.Wait()
	cpu := after.sub(before)
	n := float64(sent2 - sent)
	fmt.Printf("acknowledged  %.0f messages, %.0f a second\n", n, n/float64(o.seconds))
	fmt.Printf("delivered     %d\n", received2-received)
	fmt.Printf("CPU           server %.2f s, PostgreSQL %.2f s\n", cpu.server, cpu.postgres)
	fmt.Printf("efficiency    %.0f durable messages for each CPU-second (server + PostgreSQL)\n", n/(cpu.server+cpu.postgres))
	var all []time.Duration
	for _, p := range pairs {
		all = append(all, p.latencies()...)
	}
	slices.Sort(all)
	if len(all) > 0 {
		fmt.Printf("ack           p50 %v, p99 %v (closed loop, at full load)\n", all[len(all)/2], all[len(all)*99/100])
	}
	return nil
}

func totals(pairs []*pair) (sent, received int64) {
	for _, p := range pairs {
		sent += p.acked.Load()
		received += p.received.Load()
	}
	return sent, received
}
