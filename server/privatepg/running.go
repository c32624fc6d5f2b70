// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Running returns the connection string of the cluster in a folder that another process of ours runs now. It is for tools that
// look in beside a running server: they need the rights of the user who started it.
func Running(dir string) (string, error) {
	real, err := resolve(dir)
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(filepath.Join(real, "postmaster.pid"))
	if err != nil {
		return "", fmt.Errorf("private postgresql: it does not run: %w", err)
	}
	lines := strings.Split(string(raw), "\n") // pid, folder, start, port, folder of the socket, …
	if len(lines) < 5 || lines[4] == "" {
		return "", fmt.Errorf("private postgresql: %s is not complete: it is starting", filepath.Join(real, "postmaster.pid"))
	}
	c := &Cluster{dir: real, socket: strings.TrimSpace(lines[4])}
	return c.DSN(), nil
}

// Ready is Running for tools that start a cluster themselves if none runs: ok is false unless a living server says in its file
// that it is ready. A server that was killed leaves that file behind.
func Ready(dir string) (dsn string, ok bool) {
	real, err := resolve(dir)
	if err != nil {
		return "", false
	}
	if t := tenantsOf(real); t.postmaster == 0 || t.status != "ready" {
		return "", false
	}
	dsn, err = Running(dir)
	return dsn, err == nil
}
