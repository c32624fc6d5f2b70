// SPDX-License-Identifier: Apache-2.0

package timeline_test

import (
	"testing"

	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/id"
)

func openMem(_ testing.TB, groups ...[]id.Shard) timeline.Store {
	return timelinetest.NewMem(groups...)
}

func TestTimeline_OnAStoreInMemory(t *testing.T) { timelinetest.Contract(t, openMem) }
