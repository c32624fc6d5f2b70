// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"strings"
	"testing"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

func TestDelayed_IsToldOnceForAllThatWaitTogether(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), true)
	p.took()
	for range 3 {
		a.delayed(sdk.SendDelayed{Err: fault.Retry(fault.RateLimited, time.Minute, "at most 200 messages a minute"), RetryIn: time.Minute})
	}
	got := p.took()
	if len(got) == 0 || strings.Count(strings.Join(got, "\n"), "by itself") != 1 || !strings.Contains(strings.Join(got, " "), "1m0s") {
		t.Errorf("told %q", got)
	}
}
