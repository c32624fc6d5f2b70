// SPDX-License-Identifier: Apache-2.0

package mutants

import (
	"bytes"
	"net/http"
	"strings"
)

// governing are mutants of bans, links, pins and settings.
func governing() []Mutant {
	return []Mutant{
		{"ban-forgotten", "says that a user is banned and does nothing", []string{"BAN-OUT", "BAN-STRANGER"}, Hooks{Instead: func(r *http.Request, _ []byte) *Answer {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/bans/") {
				return &Answer{Status: http.StatusNoContent, Header: http.Header{}}
			}
			return nil
		}}},
		{"link-tells", "tells strangers that a link expired instead of that there is none", []string{"LINK-STRANGER"}, Hooks{Answer: func(r *http.Request, a *Answer) {
			if strings.HasPrefix(r.URL.Path, "/api/v1/links/") && bytes.Contains(a.Body, []byte("link_invalid")) {
				a.Status = http.StatusConflict
				a.Body = []byte(strings.ReplaceAll(strings.ReplaceAll(string(a.Body), "link_invalid", "link_expired"), "404", "409"))
			}
		}}},
		{"expects-ignored", "does not look at expects", []string{"CHANGE-EXPECTS"}, Hooks{Request: func(_ *http.Request, body []byte) []byte {
			return bytes.ReplaceAll(body, []byte(`"expects"`), []byte(`"expected"`))
		}}},
		{"always-shared", "shows new members what was before the history was closed", []string{"SET-SHARED"}, Hooks{Request: func(_ *http.Request, body []byte) []byte {
			return bytes.ReplaceAll(body, []byte(`"historyVisibility":"joined"`), []byte(`"historyVisibility":"shared"`))
		}}},
	}
}
