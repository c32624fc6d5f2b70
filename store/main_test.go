// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"testing"

	"parley.chat/server/privatepg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
