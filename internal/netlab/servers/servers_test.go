// SPDX-License-Identifier: Apache-2.0

//go:build linux

package servers_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.chat/internal/crash"
	"parley.chat/internal/netlab"
	"parley.chat/internal/netlab/servers"
	"parley.chat/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(testenv.Leakless(m))) }

// two are a.test and b.test, ready.
func two(t *testing.T) (l *netlab.Lab, a, b *servers.Server) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	netlab.Need(t) // Before the server is built.
	binary, err := crash.Build(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	l, list := servers.Run(t, binary, "a.test", "b.test")
	return l, list[0], list[1]
}

// examine lets each of both look at the other, at the same time.
func examine(t *testing.T, a, b *servers.Server, check func(from *servers.Server, to, report string, err error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var reports [2]string
	var errs [2]error
	var both sync.WaitGroup
	both.Go(func() { reports[0], errs[0] = a.Doctor(ctx, "b.test") })
	both.Go(func() { reports[1], errs[1] = b.Doctor(ctx, "a.test") })
	both.Wait()
	check(a, "b.test", reports[0], errs[0])
	check(b, "a.test", reports[1], errs[1])
}

func meet(t *testing.T, when string, a, b *servers.Server) {
	t.Helper()
	examine(t, a, b, func(from *servers.Server, to, report string, err error) {
		t.Helper()
		how := map[string]string{"a.test": "by /.well-known/parley/server", "b.test": "by the SRV record: machine.b.test:9441"}[to]
		if err != nil || !strings.Contains(report, how) || !strings.Contains(report, "signed as "+from.Name()+" and answered") {
			t.Errorf("%s: %s does not reach %s as it should: %v\n%s", when, from.Name(), to, err, report)
		}
	})
}

func TestServers_MeetThroughCutsDelayAndLoss(t *testing.T) {
	l, a, b := two(t)
	meet(t, "at first", a, b)

	l.Set(a.Host, b.Host, netlab.Policy{IsCut: true})
	start := time.Now()
	examine(t, a, b, func(from *servers.Server, to, report string, err error) {
		if err == nil || !strings.Contains(report, "Nothing answers: a firewall drops packets") {
			t.Errorf("%s looks at %s over a cut link: %v\n%s", from.Name(), to, err, report)
		}
	})
	t.Logf("that nothing answers was known after %s", time.Since(start).Round(time.Millisecond))

	l.Set(a.Host, b.Host, netlab.Policy{})
	meet(t, "after the cut", a, b)

	l.Set(a.Host, b.Host, netlab.Policy{Delay: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.05})
	meet(t, "slow and lossy", a, b)

	b.Kill()
	l.Set(a.Host, b.Host, netlab.Policy{})
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	if err := b.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	meet(t, "after b.test was killed", a, b)
	t.Logf("from a.test to b.test went %+v", l.Count(a.Host, b.Host))
}
