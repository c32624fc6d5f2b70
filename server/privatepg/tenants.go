// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// patience is how long a folder that is being left is waited for.
	patience = 15 * time.Second
	// settled is how long a server must look ready until it is taken for somebody else's: the child of a killed parent
	// begins to stop at once.
	settled = 3 * time.Second
	// mercy is how long backends whose postmaster is dead may go on before they are told to quit.
	mercy = 5 * time.Second
)

// ErrHeld is returned by Open when another living PostgreSQL server uses the folder.
var ErrHeld = errors.New("another PostgreSQL server uses the folder")

// tenants are the PostgreSQL processes that use a data folder.
type tenants struct {
	postmaster int    // 0 when none lives.
	status     string // "starting", "ready", "stopping", as the postmaster wrote it.
	orphans    []int  // Processes whose postmaster is dead.
}

// waitFree returns when no process uses the folder. What a killed predecessor left may take a moment to go; a server
// that stays is refused with ErrHeld.
func (c *Cluster) waitFree(ctx context.Context) error {
	begin, readySince, told := time.Now(), time.Time{}, false
	for {
		t := tenantsOf(c.dir)
		if t.postmaster == 0 && len(t.orphans) == 0 {
			return removeReusedPid(c.dir)
		}
		if t.postmaster == 0 || t.status != "ready" {
			readySince = time.Time{}
		} else if readySince.IsZero() {
			readySince = time.Now()
		}
		waited := time.Since(begin)
		if !readySince.IsZero() && time.Since(readySince) > settled || waited > patience {
			return heldError(t)
		}
		if t.postmaster == 0 && waited > mercy && !told {
			told = true
			c.quit(t.orphans)
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func heldError(t tenants) error {
	if t.postmaster != 0 {
		return fmt.Errorf("%w: process %d (%s); stop it, or choose another data folder; the folder was not touched",
			ErrHeld, t.postmaster, t.status)
	}
	return fmt.Errorf("%w: its postmaster is dead, but processes %v do not end", ErrHeld, t.orphans)
}

// quit ends backends that did not notice the death of their postmaster, for example in a long statement. Nobody can
// commit through them what a client still waits for: they are cut off from the new server.
func (c *Cluster) quit(orphans []int) {
	c.log.Warn("telling left-over postgresql processes to quit", "pids", fmt.Sprint(orphans))
	for _, pid := range orphans {
		_ = syscall.Kill(pid, syscall.SIGQUIT)
	}
}

func tenantsOf(dir string) tenants {
	pid, status := readPidFile(dir)
	all := processesIn(dir)
	if pid != 0 && (slices.Contains(all, pid) || hiddenPostgres(pid)) {
		return tenants{postmaster: pid, status: status}
	}
	return tenants{orphans: all}
}

// readPidFile reads postmaster.pid: the process id is in its first line, negative for a single-user server, and the
// status in its eighth.
func readPidFile(dir string) (pid int, status string) {
	data, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return 0, ""
	}
	lines := strings.Split(string(data), "\n")
	pid, err = strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return 0, ""
	}
	if pid < 0 {
		return -pid, "ready"
	}
	if len(lines) > 7 {
		status = strings.TrimSpace(lines[7])
	}
	return pid, status
}

// removeReusedPid takes away a stale postmaster.pid whose number another program has got meanwhile, usual in
// containers: PostgreSQL would refuse to start. Otherwise it stays, because PostgreSQL checks the shared memory it names.
func removeReusedPid(dir string) error {
	pid, _ := readPidFile(dir)
	if pid == 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil
	}
	return os.Remove(filepath.Join(dir, "postmaster.pid"))
}

// processesIn lists the PostgreSQL processes with the folder as working folder: postmaster and backends alike.
func processesIn(dir string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && pid != os.Getpid() && usesFolder(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func usesFolder(pid int, dir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
	if err == nil {
		return cwd == dir && isPostgres(proc)
	}
	if !errors.Is(err, os.ErrPermission) {
		return false
	}
	// A container's root may not look into processes of other users, but their titles are public.
	title, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil {
		return false
	}
	args := strings.Split(strings.TrimRight(string(title), "\x00"), "\x00")
	return filepath.Base(args[0]) == "postgres" && slices.Contains(args, dir) ||
		strings.HasPrefix(args[0], "postgres: "+clusterName(dir)+":")
}

func isPostgres(proc string) bool {
	exe, err := os.Readlink(filepath.Join(proc, "exe"))
	if err != nil {
		return false
	}
	// A package upgrade under a running server leaves the program deleted.
	name := filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	return name == "postgres" || name == "postmaster"
}

// hiddenPostgres reports whether pid is a PostgreSQL whose working folder may not be seen; it is taken for the one that
// its pid file names.
func hiddenPostgres(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if _, err := os.Readlink(filepath.Join(proc, "cwd")); !errors.Is(err, os.ErrPermission) {
		return false
	}
	comm, err := os.ReadFile(filepath.Join(proc, "comm"))
	return err == nil && strings.TrimSpace(string(comm)) == "postgres"
}
