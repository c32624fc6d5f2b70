// SPDX-License-Identifier: Apache-2.0

package history

import (
	"syscall"
	"unsafe"
)

// MachineClock returns the nanoseconds of the machine's monotonic clock. It is the same clock in every process, is not
// set by anyone, and never runs backwards. Safe for many goroutines.
func MachineClock() int64 {
	const clockMonotonic = 1
	var ts syscall.Timespec
	// The call fails only for a bad clock or address, and neither can be the case here.
	_, _, _ = syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}
