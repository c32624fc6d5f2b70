// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// resolve makes missing parents and returns the real path of the folder, which is what the kernel shows as the working
// folder of PostgreSQL's processes.
func resolve(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("private postgresql: no data folder given")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("private postgresql: %w", err)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	if err := makeParents(filepath.Dir(abs)); err != nil {
		return "", fmt.Errorf("private postgresql: %w", err)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", fmt.Errorf("private postgresql: %w", err)
	}
	return filepath.Join(parent, filepath.Base(abs)), nil
}

// makeParents is MkdirAll with mode 0755 whatever the umask: PostgreSQL runs as another user and must pass through.
func makeParents(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeParents(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, 0o755)
}

// lockWait covers a predecessor that was killed a moment ago and is still leaving.
const lockWait = 2 * time.Second

// lockFolder takes the lock that says: this process owns the folder. The kernel frees it when the process ends.
func lockFolder(ctx context.Context, dir string) (*os.File, error) {
	path := dir + ".lock"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("private postgresql: %w", err)
	}
	for deadline := time.Now().Add(lockWait); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("private postgresql: lock %s: %w", path, err)
		}
		if time.Now().After(deadline) || !sleep(ctx, 20*time.Millisecond) {
			_ = f.Close()
			return nil, fmt.Errorf("private postgresql: %s is in use by another parley process (it holds %s)", dir, path)
		}
	}
}

// folderVersion returns the major version of the data in dir, "" when there is none yet.
func folderVersion(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	version, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return "", errors.New("the folder is not empty and holds no PostgreSQL cluster (no PG_VERSION); " +
			"move it away or choose another data folder; it was not touched")
	}
	if _, err := os.Stat(filepath.Join(dir, "global", "pg_control")); err != nil {
		return "", errors.New("the folder holds half a PostgreSQL cluster (no global/pg_control); " +
			"restore it or move it away; it was not touched")
	}
	return strings.TrimSpace(string(version)), nil
}

// initdb makes the cluster in "<dir>.new" and renames it, so that one killed in the middle leaves nothing that could be
// taken for data.
func (c *Cluster) initdb(ctx context.Context) error {
	fresh := c.dir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := c.as.makePrivate(fresh); err != nil {
		return err
	}
	args := []string{"-D", fresh, "-U", superuser, "--locale=C.UTF-8", "-E", "UTF8", "--data-checksums",
		"--auth-local=trust", "--auth-host=reject"}
	if c.settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	var out bytes.Buffer
	cmd := c.command("initdb", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := c.runToEnd(ctx, cmd); err != nil {
		return fmt.Errorf("initdb as user %s: %w\n%s", c.as.name, err, lastLines(out.Bytes(), quotedLines))
	}
	if err := os.Remove(c.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, c.dir); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(c.dir))
}

// runToEnd waits for a helper program; when ctx ends first, the program is stopped.
func (c *Cluster) runToEnd(ctx context.Context, cmd *exec.Cmd) error {
	child, err := c.starter.launch(cmd)
	if err != nil {
		return err
	}
	select {
	case <-child.done:
	case <-ctx.Done():
		child.stop(c.log)
		return ctx.Err()
	}
	if !cmd.ProcessState.Success() {
		return errors.New(child.how())
	}
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// maxSocketPath is the room in sockaddr_un without the closing zero.
const maxSocketPath = 107

// makeSocketFolder makes the short private folder of the socket. Its name follows from the data folder, so nothing is
// left behind by a killed server: the next one clears it. The caller holds the lock and knows that no server runs.
func makeSocketFolder(dir string, as identity) (string, error) {
	name := clusterName(dir)
	var last error
	for _, temp := range []string{os.TempDir(), "/tmp", "/run"} {
		path := filepath.Join(temp, name)
		if len(filepath.Join(path, ".s.PGSQL."+socketPort)) > maxSocketPath {
			last = fmt.Errorf("the path %s is too long for a socket", path)
			continue
		}
		if last = as.reaches(temp); last != nil {
			continue
		}
		if last = os.RemoveAll(path); last != nil {
			// Somebody else sits on the name; a random one serves as well.
			if path, last = os.MkdirTemp(temp, "parley-pg-"); last != nil {
				continue
			}
			_ = os.Remove(path)
		}
		if last = as.makePrivate(path); last == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no folder for the socket: %w", last)
}

// clusterName names the cluster in the process list and in the temp folder.
func clusterName(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "parley-pg-" + hex.EncodeToString(sum[:6])
}
