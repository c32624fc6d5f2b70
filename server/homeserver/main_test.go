// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"testing"

	"parley.chat/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
