// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"parley.chat/protocol/rest"
	"parley.chat/sdk/sdktest"
)

func TestPersonal_CommandsSayWhatTheyWant(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	a.open = f.Converse("alice@x", "bob@x")
	var last string
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		var answer any
		switch {
		case strings.HasPrefix(key, "PUT /api/v1/users/me/blocks/"), strings.HasPrefix(key, "block"):
			w.WriteHeader(http.StatusNoContent)
		case strings.Contains(key, "blocks"):
			answer = rest.Blocks{Blocks: []rest.Block{{UserID: "bob@x"}}}
		case strings.Contains(key, "settings") || strings.Contains(key, "Settings"):
			answer = rest.Settings{ReadReceipts: true, LastSeen: "contacts", Online: "contacts", WhoMayMessage: "everyone", WhoMayAdd: "nobody"}
		default:
			return false
		}
		last = key
		if answer != nil {
			_ = json.NewEncoder(w).Encode(answer)
		}
		return true
	}
	for line, want := range map[string]string{
		"/mute":                        "! usage: /mute 8h|7d|always|off",
		"/mute -1d":                    "! usage: /mute 8h|7d|always|off",
		"/mute soon":                   "! usage: /mute 8h|7d|always|off",
		"/pinchat on":                  "! usage: /pinchat [off]",
		"/notify some":                 "! usage: /notify all|mentions|none",
		"/settings color blue":         "! the settings are readReceipts, lastSeen, online, whoMayMessage, whoMayAdd",
		"/settings online":             "! usage: /settings online everyone|contacts|nobody",
		"/settings readreceipts maybe": "! usage: /settings readReceipts on|off",
		"/block b!b":                   `! "b!b" is not a username: it holds only a-z 0-9 . _ - and at most 64 of them`,
	} {
		a.line(t.Context(), line)
		if got := strings.Join(p.took(), "|"); got != want {
			t.Errorf("%s (%s): %q, want %q", line, last, got, want)
		}
	}
}
