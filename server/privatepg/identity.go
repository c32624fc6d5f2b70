// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// identity says as whom PostgreSQL runs; it refuses to run as root.
type identity struct {
	mode     runMode
	uid, gid int    // Owner of files and, outside of a namespace, of the processes.
	name     string // For messages.
	inner    innerIDs
}

// innerIDs are what a process in the user namespace sees in place of uid and gid.
type innerIDs struct{ uid, gid int }

type runMode int

const (
	plain     runMode = iota // We are not root: as ourselves.
	lowered                  // We are root: as another user.
	namespace                // We are root and no other user reaches the folder: as root that is not called so.
)

// chooseIdentity finds the user for the folder. The owner of an existing folder decides, so that a cluster goes on as
// it was begun.
func chooseIdentity(dir string, exists bool) (identity, error) {
	owner := -1
	if exists {
		info, err := os.Stat(dir)
		if err != nil {
			return identity{}, err
		}
		owner = int(info.Sys().(*syscall.Stat_t).Uid)
	}
	if uid := os.Geteuid(); uid != 0 {
		if exists && owner != uid {
			return identity{}, fmt.Errorf("the folder belongs to user %d, this process runs as %d: "+
				"start as that user or as root", owner, uid)
		}
		return identity{mode: plain, uid: uid, gid: os.Getegid(), name: strconv.Itoa(uid)}, nil
	}
	servant, err := chooseServant(owner)
	if err != nil {
		return identity{}, err
	}
	if owner == 0 {
		return servant.inNamespace("root owns the folder"), nil
	}
	if err := servant.reaches(filepath.Dir(dir)); err != nil {
		if exists {
			return identity{}, err
		}
		return servant.inNamespace(err.Error()), nil
	}
	return servant, nil
}

// chooseServant picks the user root hands the work to. PostgreSQL needs one that the user database knows.
func chooseServant(owner int) (identity, error) {
	if owner > 0 {
		u, err := user.LookupId(strconv.Itoa(owner))
		if err != nil {
			return identity{}, fmt.Errorf("owner of the folder: %w", err)
		}
		return servantOf(u)
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return servantOf(u)
		}
	}
	return identity{}, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

func servantOf(u *user.User) (identity, error) {
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return identity{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	return identity{mode: lowered, uid: uid, gid: gid, name: u.Username}, nil
}

// inNamespace keeps the reason in the name, because a container may refuse user namespaces and the reason says what
// helps then.
func (i identity) inNamespace(reason string) identity {
	name := "root (in a user namespace: " + reason + ")"
	return identity{mode: namespace, uid: 0, gid: 0, name: name, inner: innerIDs{i.uid, i.gid}}
}

// reaches says why the identity may not pass through dir and its parents. It looks at the mode bits only.
func (i identity) reaches(dir string) error {
	if i.mode != lowered {
		return nil
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		bit := os.FileMode(0o001)
		if int(stat.Uid) == i.uid {
			bit = 0o100
		} else if int(stat.Gid) == i.gid {
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return fmt.Errorf("user %s may not pass through %s: chmod o+x %s", i.name, dir, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

// makePrivate makes a folder that only the identity can enter.
func (i identity) makePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if i.mode != lowered {
		return nil
	}
	return os.Lchown(dir, i.uid, i.gid)
}

// attributes are those of a child process: not in our process group, so that Ctrl-C reaches it only through us, and
// told to stop when we are gone.
func (i identity) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	switch i.mode {
	case plain:
	case lowered:
		attr.Credential = &syscall.Credential{Uid: uint32(i.uid), Gid: uint32(i.gid)}
	case namespace:
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: i.inner.uid, HostID: 0, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: i.inner.gid, HostID: 0, Size: 1}}
	}
	return attr
}
