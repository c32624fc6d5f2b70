// SPDX-License-Identifier: Apache-2.0

package mutants

import (
	"encoding/json"
	"net/http"
	"strings"
)

// stateful are mutants that remember what went by.
func stateful() []Mutant {
	return []Mutant{leak(), twice(), early(), backwards()}
}

// leak shows a stranger what a member was shown.
func leak() Mutant {
	seen := map[string]*Answer{}
	return Mutant{"leak", "shows a conversation to who is no member", []string{"HIDE-CONVERSATION"}, Hooks{Answer: func(r *http.Request, a *Answer) {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/conversations/") {
			return
		}
		if a.Status == http.StatusOK {
			seen[r.URL.Path] = &Answer{Status: a.Status, Header: a.Header.Clone(), Body: a.Body}
		} else if known := seen[r.URL.Path]; known != nil && a.Status == http.StatusNotFound {
			a.Status, a.Body = known.Status, known.Body
			a.Header.Set("Content-Type", "application/json")
		}
	}}}
}

// twice forgets tempIds: the second message with one goes to the server under another.
func twice() Mutant {
	seen := map[string]int{}
	return Mutant{"twice", "makes two entries of one tempId", []string{"TWICE-SAME-ANSWER"}, Hooks{
		Request: func(r *http.Request, body []byte) []byte {
			if !send(r) {
				return body
			}
			return edit(body, func(m object) {
				temp, _ := m["tempId"].(string)
				if seen[temp]++; seen[temp] > 1 && len(temp) < 60 {
					m["tempId"] = temp + strings.Repeat("x", seen[temp]-1)
				}
			})
		},
		Answer: func(r *http.Request, a *Answer) {
			if send(r) && a.Status == http.StatusCreated {
				a.Body = edit(a.Body, func(m object) { m["tempId"] = strings.TrimRight(m["tempId"].(string), "x") })
			}
		},
	}}
}

// early acknowledges messages and never stores them.
func early() Mutant {
	return Mutant{"early-ack", "acknowledges before it has stored, and then does not", []string{"SEND-ACK", "SEND-DENSE"}, Hooks{
		Instead: func(r *http.Request, body []byte) *Answer {
			var m object
			if !send(r) || json.Unmarshal(body, &m) != nil {
				return nil
			}
			parts := strings.Split(r.URL.Path, "/")
			out, err := json.Marshal(object{
				"tempId": m["tempId"], "conversationId": parts[len(parts)-2], "messageId": "01M844DZG000000001W2047Q97",
				"seq": 1, "timestamp": 1795435200000, "status": "sent",
			})
			if err != nil {
				return nil
			}
			return plain(http.StatusCreated, string(out))
		},
	}}
}

// backwards shows the pointer of the last receipt and not that of the highest.
func backwards() Mutant {
	last := map[string]string{} // conversation to message
	seqs := map[string]int64{}  // message to seq
	return Mutant{"backwards", "lets pointers go back", []string{"RECEIPT-FORWARD"}, Hooks{
		Frame: func(fromServer bool, raw []byte) [][]byte {
			var m struct {
				Type string `json:"type"`
				Data struct {
					Conversation string `json:"conversationId"`
					Message      string `json:"messageId"`
				} `json:"data"`
			}
			if !fromServer && json.Unmarshal(raw, &m) == nil && m.Type == "delivery_ack" {
				last[m.Data.Conversation] = m.Data.Message
			}
			return [][]byte{raw}
		},
		Answer: func(r *http.Request, a *Answer) {
			if send(r) && a.Status == http.StatusCreated {
				edit(a.Body, func(m object) { seqs[m["messageId"].(string)] = number(m["seq"]) })
			}
			on("GET", conversation, func(m object) {
				id, _ := m["conversationId"].(string)
				if seq, known := seqs[last[id]]; known {
					m["readSeq"], m["deliveredSeq"] = seq, seq
				}
			})(r, a)
		},
	}}
}
