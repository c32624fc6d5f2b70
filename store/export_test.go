// SPDX-License-Identifier: Apache-2.0

package store

// SetPartitionRows makes partitions small, before Migrate.
func (s *Store) SetPartitionRows(n int64) { s.rows = n }
