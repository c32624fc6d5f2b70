// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

const device = "lab0"

// openTUN makes the device of the namespace of the calling thread.
func openTUN(addr netip.Addr) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, notAllowed("open /dev/net/tun", err)
	}
	r, err := unix.NewIfreq(device)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
		_ = unix.Close(fd)
		return nil, notAllowed("make a TUN device", err)
	}
	if err := configure(addr); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), device), nil
}

// configure gives the device its address and network, and takes it and the loopback up.
func configure(addr netip.Addr) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(s)
	return errors.Join(
		setAddress(s, unix.SIOCSIFADDR, addr.As4()),
		setAddress(s, unix.SIOCSIFNETMASK, [4]byte(net.CIDRMask(prefixBits, 32))),
		up(s, device),
		up(s, "lo"),
	)
}

func setAddress(socket int, request uint, value [4]byte) error {
	r, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	if err := r.SetInet4Addr(value[:]); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, request, r); err != nil {
		return fmt.Errorf("set %v of %s: %w", value, device, err)
	}
	return nil
}

func up(socket int, name string) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, r); err != nil {
		return fmt.Errorf("flags of %s: %w", name, err)
	}
	r.SetUint16(r.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, r); err != nil {
		return fmt.Errorf("take %s up: %w", name, err)
	}
	return nil
}

// replaceFiles lets what runs in the mount namespace of the calling thread see other files in the place of those.
func replaceFiles(files map[string]string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return notAllowed("make mounts private", err)
	}
	for path, text := range files {
		if err := replaceFile(path, text); err != nil {
			return notAllowed("replace "+path, err)
		}
	}
	return nil
}

// replaceFile needs a file only until it is mounted: the mount keeps it.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp("", "netlab-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(fs.FileMode(0o644)), f.Close()); err != nil {
		return err
	}
	return unix.Mount(f.Name(), path, "", unix.MS_BIND, "")
}
