// SPDX-License-Identifier: Apache-2.0

package timeline

// Held counts the conversations in memory.
func (t *Timeline) Held() (n int) {
	for _, sh := range t.shards {
		sh.mu.RLock()
		n += len(sh.convs)
		sh.mu.RUnlock()
	}
	return n
}
