// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.parley, "parley", "bin/parley", "the server's program")
	flag.StringVar(&o.dir, "dir", "data/federation", "folder for everything that is kept")
	flag.StringVar(&o.a.clients, "a", "127.0.0.1:8081", "address and port of a.test for clients")
	flag.StringVar(&o.b.clients, "b", "127.0.0.1:8082", "address and port of b.test for clients")
	flag.StringVar(&o.a.servers, "federation-a", "127.0.0.1:9441", "address and port of a.test for b.test")
	flag.StringVar(&o.b.servers, "federation-b", "127.0.0.1:9442", "address and port of b.test for a.test")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "make federation:", err)
		os.Exit(1)
	}
}
