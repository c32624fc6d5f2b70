// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"net/http"
	"strings"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/sdk/sdktest"
)

func TestRole_IsGivenByNameAndCheckedBefore(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	a.open = f.Converse("alice@x", "bob@x", "carol@x")
	calls := 0
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		switch {
		case strings.HasSuffix(key, " bob@x"):
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(key, " carol@x"):
			sdktest.Refuse(w, fault.New(fault.InsufficientRole, "only an owner changes roles"))
		default:
			return false
		}
		calls++
		return true
	}
	usage := "! usage: /role USER owner|admin|member"
	for _, step := range []struct {
		line, want string
		calls      int
	}{
		{"/role bob", usage, 0},
		{"/role bob king", usage, 0},
		{"/role bob admin now", usage, 0},
		{"/role b!b admin", `! "b!b" is not a username: it holds only a-z 0-9 . _ - and at most 64 of them`, 0},
		{"/role bob Admin", "", 1},
		{"/role @bob@x owner", "", 2},
		{"/role carol member", "! only an owner changes roles", 3},
	} {
		a.line(t.Context(), step.line)
		if got := strings.Join(p.took(), "|"); got != step.want || calls != step.calls {
			t.Errorf("%s: %q after %d calls, want %q after %d", step.line, got, calls, step.want, step.calls)
		}
	}
}
