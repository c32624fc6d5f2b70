// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"testing"
	"time"

	"parley.chat/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// soon is how long a test gives what is done at once: a second by the spec, but the machine is shared.
const soon = 5 * time.Second

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
