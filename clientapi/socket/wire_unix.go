// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// readiness returns the raw side of a socket that can be waited on without a buffer. Wrapped connections are left
// alone even if they expose their socket, since their own Read may matter.
func readiness(nc net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch s := nc.(type) {
	case *net.TCPConn:
		raw, err = s.SyscallConn()
	case *net.UnixConn:
		raw, err = s.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// fillFrom borrows a block for what the socket holds. It returns false, holding nothing, if there is nothing yet.
func (w *wire) fillFrom(fd uintptr) bool {
	buf := blocks.Get().(*block)
	n, err := syscall.Read(int(fd), buf[:])
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(int(fd), buf[:])
	}
	if n > 0 {
		w.buf, w.from, w.to = buf, 0, n
		w.conn.heardNow()
		return true
	}
	blocks.Put(buf)
	if errors.Is(err, syscall.EAGAIN) {
		return false
	}
	if err == nil {
		err = io.EOF
	}
	w.err = err
	return true
}
