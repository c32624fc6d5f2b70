// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"

	"parley.chat/protocol/id"
)

// SetPartitionRows makes partitions small, before Migrate.
func (s *Store) SetPartitionRows(n int64) { s.rows = n }

// The statements of searches, for tests that look at their plans.

func (s *Store) EnterSQL(n id.Shard) string  { return fmt.Sprintf(enterSQL, n) }
func (s *Store) ScanSQL(n id.Shard) string   { return fmt.Sprintf(scanSQL, n) }
func (s *Store) LookUpSQL(n id.Shard) string { return fmt.Sprintf(lookUpSQL, n) }
