// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// federated loads two servers that share conversations, whose hub is the first: within the first, from the hub to the
// follower, and from the follower to the hub. Latency is measured with one message under way in all.
func federated(ctx context.Context, o options) error {
	a, b, err := startTwo(ctx, o.binary)
	for _, s := range []*server{a, b} {
		if s != nil {
			defer s.stop()
		}
	}
	if err != nil {
		return err
	}
	for _, way := range []struct {
		name     string
		from, to *server
		names    [2]string
	}{{"within one server", a, a, [2]string{"a", "b"}}, {"hub to follower", a, b, [2]string{"c", "d"}}, {"follower to hub", b, a, [2]string{"f", "e"}}} {
		pairs, err := makePairs(ctx, way.from.url, way.to.url, o.pairs, way.names)
		if err != nil {
			return err
		}
		one := o
		one.window = 1
		if err := across(ctx, []*server{a, b}, pairs[:1], one, way.name+", one message at a time"); err != nil {
			return err
		}
		if err := across(ctx, []*server{a, b}, pairs[1:], o, fmt.Sprintf("%s, %d pairs", way.name, len(pairs)-1)); err != nil {
			return err
		}
	}
	return nil
}

// startTwo starts a.test and b.test with a private authority.
func startTwo(ctx context.Context, binary string) (a, b *server, err error) {
	dir, binary, err := workshop(ctx, binary)
	if err != nil {
		return nil, nil, err
	}
	certificates := filepath.Join(dir, "ca")
	authority := exec.CommandContext(ctx, binary, "test-ca", "-dir", certificates, "a.test", "b.test")
	if out, err := authority.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("%w: %s", err, out)
	}
	var at [2]string
	for i := range at {
		if at[i], err = freeAddress(); err != nil {
			return nil, nil, err
		}
	}
	var out [2]*server
	for i, name := range []string{"a.test", "b.test"} {
		home := filepath.Join(dir, name)
		if err := os.Mkdir(home, 0o755); err != nil {
			return out[0], out[1], err
		}
		out[i], err = startIn(ctx, home, binary, "PARLEY_SERVER_NAME="+name, "PARLEY_REGISTRATION_MODE=open", "PARLEY_REGISTRATION_ALLOW_OPEN=true", "PARLEY_FEDERATION_ENABLED=true",
			"PARLEY_FEDERATION_LISTEN="+at[i], "PARLEY_FEDERATION_TLS_CERT="+filepath.Join(certificates, name+".pem"),
			"PARLEY_FEDERATION_TLS_KEY="+filepath.Join(certificates, name+".key"), "PARLEY_FEDERATION_CA_FILE="+filepath.Join(certificates, "ca.pem"),
			"PARLEY_FEDERATION_HOSTS=a.test="+at[0]+",b.test="+at[1], "PARLEY_FEDERATION_ALLOW_NETWORKS=127.0.0.0/8",
			"PARLEY_FEDERATION_REQUESTS_PER_MINUTE=0", "PARLEY_FEDERATION_MEGABYTES_PER_MINUTE=0")
		if err != nil {
			return out[0], out[1], err
		}
	}
	return out[0], out[1], nil
}

// across loads and prints what it took of both servers.
func across(ctx context.Context, servers []*server, pairs []*pair, o options, title string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range pairs {
		wg.Go(func() { p.run(ctx, o) })
	}
	time.Sleep(2 * time.Second)
	before, err := usageOf(servers)
	if err != nil {
		return err
	}
	_, received := totals(pairs)
	time.Sleep(time.Duration(o.seconds) * time.Second)
	after, err := usageOf(servers)
	if err != nil {
		return err
	}
	_, received2 := totals(pairs)
	cancel()
	wg.Wait()
	spent, n := after.sub(before), float64(received2-received)
	fmt.Printf("%s\n", title)
	fmt.Printf("  received    %.0f messages, %.0f a second; %.0f for each CPU-second of both servers (%.2f s) and their PostgreSQL (%.2f s)\n",
		n, n/float64(o.seconds), n/(spent.server+spent.postgres), spent.server, spent.postgres)
	var acks, arrivals []time.Duration
	for _, p := range pairs {
		acks = append(acks, p.latencies()...)
		p.mu.Lock()
		arrivals = append(arrivals, p.arrived...)
		p.mu.Unlock()
	}
	slices.Sort(acks)
	slices.Sort(arrivals)
	if len(acks) > 0 {
		fmt.Printf("  ack         p50 %v, p99 %v\n", acks[len(acks)/2], acks[len(acks)*99/100])
	}
	if len(arrivals) > 0 {
		fmt.Printf("  arrival     p50 %v, p99 %v\n", arrivals[len(arrivals)/2], arrivals[len(arrivals)*99/100])
	}
	return nil
}

func usageOf(servers []*server) (out usage, err error) {
	for _, s := range servers {
		u, err := s.usage()
		if err != nil {
			return out, err
		}
		out = out.add(u)
	}
	return out, nil
}
