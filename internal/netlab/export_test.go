// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import "time"

// SetPatience is for tests that leave processes behind.
func (l *Lab) SetPatience(d time.Duration) { l.patience = d }
