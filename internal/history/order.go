// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"slices"
	"time"
)

// checkDeviceOrder checks rule 11: what a device was told to be accepted lies below what the device invoked afterwards. A device
// that left meanwhile is let off: it may be refused one and be let in again for the next, and sends the first again.
func (c *conversation) checkDeviceOrder() {
	byDevice := map[string][]*send{}
	for _, s := range c.sends {
		if r := c.byName[s.device]; s.pos >= 0 && s.invokedAt != never && (r == nil || len(r.windows) <= 1 && !r.left) {
			byDevice[s.device] = append(byDevice[s.device], s)
		}
	}
	for _, list := range byDevice {
		slices.SortFunc(list, func(a, b *send) int { return cmp.Compare(b.pos, a.pos) })
		var above *send
		for _, s := range list {
			if above != nil && above.acceptedAt < s.invokedAt {
				c.broken(DeviceOrder, c.log.entries[s.pos].Seq, "send %s of device %s lies below seq %d (send %s), which was accepted %s before it was invoked",
					s.tempID, s.device, c.log.entries[above.pos].Seq, above.tempID, time.Duration(s.invokedAt-above.acceptedAt))
			}
			if s.accepted() && (above == nil || s.acceptedAt < above.acceptedAt) {
				above = s
			}
		}
	}
}
