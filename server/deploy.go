// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"parley.chat/server/config"
	"parley.chat/server/testca"
)

// ready asks the server of the configuration, on this machine, whether it is ready. It is what a container's health check runs.
func ready(ctx context.Context, args []string, out io.Writer) error {
	cfg, _, err := load("ready", args)
	if err != nil {
		return err
	}
	url := readyURL(cfg)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// The certificate is for the name that others use, not for this way to the server; nothing is told it but the path.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", url, res.StatusCode)
	}
	fmt.Fprintln(out, "ready")
	return nil
}

func readyURL(cfg config.Config) string {
	host, port, _ := net.SplitHostPort(cfg.Listen) // It was checked when it was loaded.
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	if cfg.TLS.Cert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/readyz"
}

func testCA(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("test-ca", flag.ContinueOnError)
	dir := flags.String("dir", ".", "folder for ca.pem, and NAME.pem and NAME.key of each name")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("test-ca needs names of servers, as in: parley test-ca [-dir DIR] a.test b.test")
	}
	list, err := testca.Make(*dir, time.Now(), flags.Args()...)
	for _, f := range list {
		fmt.Fprintf(out, "%s\n", f.Cert)
	}
	return err
}
