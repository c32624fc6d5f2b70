// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser    = "postgres"
	databaseName = "parley"
	socketPort   = "5432" // Only a part of the socket's name; nothing listens on TCP.
)

// serverSettings are those that differ from PostgreSQL's own.
func serverSettings() map[string]string {
	return map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"wal_compression": "on", "max_wal_size": "2GB", "checkpoint_timeout": "15min",
		"random_page_cost": "1.1", "max_connections": "100", "shared_buffers": "128MB", "jit": "off",
		"timezone": "UTC", "log_timezone": "UTC",
	}
}

// command prepares a server program. It sees nothing of our environment, where PG… variables could lead it astray.
func (c *Cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.programs.bin, program), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + c.programs.bin + ":/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=/"}
	cmd.SysProcAttr = c.as.attributes()
	return cmd
}

func (c *Cluster) arguments() []string {
	settings := serverSettings()
	maps.Copy(settings, c.settings)
	settings["cluster_name"] = clusterName(c.dir)
	args := []string{"-D", c.dir, "-k", c.socket, "-p", socketPort, "-h", ""}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", key+"="+settings[key])
	}
	return args
}

// start launches the server and waits until it answers. Processes that a killed predecessor left behind hold the
// folder for a moment, so what they cause is tried again.
func (c *Cluster) start(ctx context.Context) error {
	for deadline := time.Now().Add(patience); ; {
		if err := c.waitFree(ctx); err != nil {
			return err
		}
		err := c.startOnce(ctx)
		if err == nil || !leftovers(err) || time.Now().After(deadline) {
			return err
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// leftovers reports whether PostgreSQL refused to start because of processes of a dead predecessor.
func leftovers(err error) bool {
	text := err.Error()
	return strings.Contains(text, "pre-existing shared memory block") || strings.Contains(text, "lock file \"")
}

func (c *Cluster) startOnce(ctx context.Context) error {
	log, err := openLog(logPath(c.dir))
	if err != nil {
		return err
	}
	defer log.Close()
	from, err := log.Seek(0, 2)
	if err != nil {
		return err
	}
	cmd := c.command("postgres", c.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	child, err := c.starter.launch(cmd)
	if err != nil {
		return fmt.Errorf("start postgres as user %s: %w", c.as.name, err)
	}
	if err := c.waitReady(ctx, child); err != nil {
		child.stop(c.log)
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("%w; %s says:\n%s", err, logPath(c.dir), logSince(logPath(c.dir), from))
	}
	c.setChild(child)
	c.log.Info("private postgresql is ready", "pid", child.pid, "version", c.programs.major, "user", c.as.name,
		"took", time.Since(child.since).Round(time.Millisecond))
	return nil
}

// waitReady asks until the server answers a connection. There is no limit but ctx: crash recovery takes what it takes.
func (c *Cluster) waitReady(ctx context.Context, child *child) error {
	report := time.Now().Add(10 * time.Second)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		if c.answers(ctx) {
			return nil
		}
		if time.Now().After(report) {
			c.log.Warn("private postgresql is still starting", "pid", child.pid)
			report = time.Now().Add(10 * time.Second)
		}
		timer := time.NewTimer(pause)
		select {
		case <-child.done:
			timer.Stop()
			return errors.New("postgres ended while starting: " + child.how())
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func (c *Cluster) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.dsn(superuser))
	if err != nil {
		return false
	}
	return conn.Close(ctx) == nil
}

func (c *Cluster) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.dsn(superuser))
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	const query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"
	if err := conn.QueryRow(ctx, query, databaseName).Scan(&exists); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+databaseName); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return nil
}

const (
	maxLogSize  = 10 << 20
	quotedLines = 12
)

func logPath(dir string) string { return dir + ".log" }

func openLog(path string) (*os.File, error) {
	boundLog(path)
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
}

// boundLog empties a log that grew too long. The server appends, so it goes on at the new end.
func boundLog(path string) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogSize {
		_ = os.Truncate(path, 0)
	}
}

func logSince(path string, from int64) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return lastLines(data[min(from, int64(len(data))):], quotedLines)
}

func lastLines(text []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
