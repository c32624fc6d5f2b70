// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"slices"
	"strings"

	"parley.chat/protocol/frame"
)

// maxMentions is how many mentions the server takes in one message.
const maxMentions = 50

// mentions finds the members that a text names as @NAME, and @all. In a direct conversation nobody needs that.
func (a *app) mentions(text string) []string {
	c := a.get(a.open)
	if c.PeerID != "" {
		return nil
	}
	var out []string
	for _, word := range strings.Fields(text) {
		name, ok := strings.CutPrefix(strings.TrimRight(word, ".,;:!?)"), "@")
		if !ok || name == "" || len(out) == maxMentions {
			continue
		}
		who := frame.MentionAll
		if name != who {
			user, err := a.userID(name)
			if _, member := c.receipts[user]; err != nil || !member || c.gone[user] {
				continue
			}
			who = user
		}
		if !slices.Contains(out, who) {
			out = append(out, who)
		}
	}
	return out
}
