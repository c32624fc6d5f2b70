// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package history

import "time"

// MachineClock returns nanoseconds of the wall clock, the only one that the standard library shares between processes
// here. Histories of several processes are sound only if nobody sets the clock meanwhile.
func MachineClock() int64 { return time.Now().UnixNano() }
