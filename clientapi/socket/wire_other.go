// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package socket

import (
	"net"
	"syscall"
)

// readiness returns nil: sockets of this system are read in the ordinary way.
func readiness(net.Conn) syscall.RawConn { return nil }

func (w *wire) fillFrom(uintptr) bool { return true }
