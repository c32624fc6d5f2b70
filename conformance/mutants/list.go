// SPDX-License-Identifier: Apache-2.0

package mutants

import (
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

// Mutant is a way of being wrong.
type Mutant struct {
	Name  string
	Fault string
	Cases []string // that are there to catch it
	Hooks Hooks
}

const (
	history      = `/messages$`
	conversation = `/conversations/[^/]+$`
	poll         = `/sync$`
)

// All returns new mutants, which have seen nothing yet.
func All() []Mutant {
	return slices.Concat(answers(), shapes(), sockets(), feeds(), stateful(), governing())
}

// answers are mutants of status, code and header.
func answers() []Mutant {
	return []Mutant{
		{"ok-for-forbidden", "answers 200 for 403", []string{"ROLE-MEMBER", "READ-FORMER"}, Hooks{Answer: func(_ *http.Request, a *Answer) {
			if a.Status == http.StatusForbidden {
				*a = *plain(http.StatusOK, `{}`)
			}
		}}},
		{"wrong-code", "says insufficient_role where it means not_member", []string{"READ-FORMER"}, Hooks{Answer: func(_ *http.Request, a *Answer) {
			a.Body = []byte(strings.ReplaceAll(string(a.Body), "not_member", "insufficient_role"))
		}}},
		{"wrong-type", "answers text/json", []string{"ANSWER-HEADERS"}, Hooks{Answer: func(_ *http.Request, a *Answer) {
			if a.Header.Get("Content-Type") == "application/json" {
				a.Header.Set("Content-Type", "text/json")
			}
		}}},
		{"plain-problems", "refuses with application/json", []string{"ERR-FORM"}, Hooks{Answer: func(_ *http.Request, a *Answer) {
			if a.Status >= 400 {
				a.Header.Set("Content-Type", "application/json")
			}
		}}},
		{"no-retry-after", "does not say when to try again", []string{"ERR-RETRY"}, Hooks{Answer: func(_ *http.Request, a *Answer) {
			a.Header.Del("Retry-After")
		}}},
		{"cached", "lets answers be cached", []string{"ANSWER-HEADERS"}, Hooks{Answer: func(_ *http.Request, a *Answer) {
			a.Header.Set("Cache-Control", "max-age=60")
		}}},
		{"foreign-cursor", "takes the cursor of another user", []string{"CURSOR-FOREIGN"}, Hooks{Answer: func(r *http.Request, a *Answer) {
			if strings.HasSuffix(r.URL.Path, "/sync") && a.Status == http.StatusBadRequest {
				*a = *plain(http.StatusOK, `{"messages":[],"conversations":[],"receipts":[],"cursor":"AAAA","hasMore":false}`)
			}
		}}},
		{"device-stays", "says that a device is removed and keeps it", []string{"DEVICE-REMOVE"}, Hooks{Instead: func(r *http.Request, _ []byte) *Answer {
			if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/devices/") {
				return &Answer{Status: http.StatusNoContent, Header: http.Header{}}
			}
			return nil
		}}},
	}
}

// shapes are mutants of bodies.
func shapes() []Mutant {
	events := func(change func(object)) Hooks {
		return Hooks{Answer: on("GET", history, func(m object) {
			for _, e := range objects(m["messages"]) {
				change(e)
			}
		})}
	}
	return []Mutant{
		{"lost-field", "leaves the sender out of the history", []string{"SEND-ACK"}, events(func(e object) { delete(e, "senderId") })},
		{"trimmed", "trims what people wrote", []string{"TEXT-KEPT"}, events(func(e object) {
			if s, ok := e["content"].(string); ok {
				e["content"] = strings.TrimSpace(s)
			}
		})},
		{"seconds", "tells the time in seconds", []string{"ANSWER-FORM"}, events(func(e object) { e["timestamp"] = number(e["timestamp"]) / 1000 })},
		{"small-letters", "writes message ids in lower case", []string{"ID-MESSAGE"}, events(func(e object) {
			if s, ok := e["messageId"].(string); ok {
				e["messageId"] = strings.ToLower(s)
			}
		})},
		{"reversed", "turns the history around", []string{"HISTORY-DIRECTION"}, Hooks{Answer: on("GET", history, func(m object) {
			if list, ok := m["messages"].([]any); ok {
				slices.Reverse(list)
			}
		})}},
		{"hole", "leaves an event out of a page", []string{"HISTORY-PAGES", "HISTORY-DIRECTION"}, Hooks{Answer: on("GET", history, func(m object) {
			if list, ok := m["messages"].([]any); ok && len(list) > 2 {
				m["messages"] = slices.Delete(list, 1, 2)
			}
		})}},
		{"undocumented", "adds a member nobody knows", []string{"DISC-UNDOCUMENTED"}, Hooks{Answer: on("GET", conversation, func(m object) { m["colour"] = "blue" })}},
		{"unread-plus-one", "counts one message too many", []string{"COUNT-UNREAD", "COUNT-MODEL"}, Hooks{Answer: on("GET", conversation, func(m object) { m["unreadCount"] = number(m["unreadCount"]) + 1 })}},
		{"other-hash", "signs another hash than it shows", []string{"CHECKPOINT-SIGNED"}, Hooks{Answer: on("GET", `/checkpoint$`, func(m object) { m["hash"] = strings.Repeat("A", 43) })}},
		{"null-lists", "writes null for an empty list", []string{"ANSWER-FORM"}, Hooks{Answer: on("GET", poll, func(m object) {
			if list, ok := m["receipts"].([]any); ok && len(list) == 0 {
				m["receipts"] = nil
			}
		})}},
	}
}

// sockets are mutants of frames.
func sockets() []Mutant {
	var held []byte
	swap := func(_ object, raw []byte) [][]byte {
		if held == nil {
			held = raw
			return nil
		}
		first := held
		held = nil
		return [][]byte{raw, first}
	}
	return []Mutant{
		{"no-ack", "drops message_ack", []string{"SEND-SOCKET", "LIVE-ACK"}, Hooks{Frame: frames("message_ack", func(object, []byte) [][]byte { return nil })}},
		{"swapped", "swaps two messages", []string{"SEND-ORDER", "LIVE-NO-GAP"}, Hooks{Frame: frames("message_received", swap)}},
		{"repeated", "sends a message twice", []string{"SEND-ORDER"}, Hooks{Frame: frames("message_received", func(_ object, raw []byte) [][]byte { return [][]byte{raw, raw} })}},
		{"quiet-leave", "does not tell of joining and removal", []string{"LIVE-MEMBERS"}, Hooks{Frame: frames("conversation_updated", func(object, []byte) [][]byte { return nil })}},
		{"no-receipts", "keeps receipts to itself", []string{"RECEIPT-DELIVERED"}, Hooks{Frame: frames("delivery_ack", func(object, []byte) [][]byte { return nil })}},
		{"normal-close", "closes with 1000 when a device is gone", []string{"TOKEN-REUSE"}, Hooks{Close: func(websocket.StatusCode) websocket.StatusCode { return websocket.StatusNormalClosure }}},
		{"lost-tempid", "leaves the tempId out of errors", []string{"LIVE-TEMPID"}, Hooks{Frame: frames("error", func(_ object, raw []byte) [][]byte {
			return [][]byte{edit(raw, func(m object) {
				if data, ok := m["data"].(object); ok {
					delete(data, "tempId")
				}
			})}
		})}},
	}
}

// feeds are mutants of sync.
func feeds() []Mutant {
	cursors := map[string]string{}
	return []Mutant{
		{"lost-event", "moves the cursor past an event it did not deliver", []string{"CURSOR-COVERS", "SYNC-MOVED"}, Hooks{Answer: on("GET", poll, func(m object) {
			if list, ok := m["messages"].([]any); ok && len(list) > 1 {
				m["messages"] = list[1:]
			}
		})}},
		{"no-gap", "leaves events out and does not say so", []string{"GAP-FIRST", "GAP-FILL"}, Hooks{Answer: on("GET", poll, func(m object) {
			for _, c := range objects(m["conversations"]) {
				delete(c, "gap")
			}
		})}},
		{"stale-cursor", "sends an old cursor in later sync frames", []string{"LIVE-CURSOR"}, Hooks{Frame: frames("sync", func(m object, raw []byte) [][]byte {
			data, _ := m["data"].(object)
			if len(objects(data["messages"])) > 0 || len(cursors) == 0 {
				cursors["first"], _ = data["cursor"].(string)
				return [][]byte{raw}
			}
			return [][]byte{edit(raw, func(m object) { m["data"].(object)["cursor"] = cursors["first"] })}
		})}},
		{"impatient", "does not wait in a long poll", []string{"POLL-WAITS"}, Hooks{Request: func(r *http.Request, body []byte) []byte {
			if strings.HasSuffix(r.URL.Path, "/sync") {
				q := r.URL.Query()
				q.Del("timeout")
				r.URL.RawQuery = q.Encode()
			}
			return body
		}}},
	}
}
