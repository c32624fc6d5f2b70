// SPDX-License-Identifier: Apache-2.0

//go:build unix && !solaris && !aix

package chat

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the file for this process until it is closed, or answers errHeld.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errHeld
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}
