// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// search finds messages that contain the text of q, newest first. A cursor is the number of those found before. Groups named
// "unsearched" are passed over by words.
func (f *Server) search(s rest.Session, r *http.Request) (any, error) {
	out := rest.Found{Messages: []frame.Event{}}
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil {
		limit = 50
	}
	skip, _ := strconv.Atoi(r.FormValue("cursor"))
	q := strings.ToLower(strings.Trim(r.FormValue("q"), `"`))
	for _, c := range f.talks {
		if q != "" && c.name == "unsearched" {
			out.SkippedConversations++
		}
	}
	for _, e := range slices.Backward(f.log) {
		c := f.talks[e.ConversationID]
		if e.Type != frame.TypeMessage || !slices.Contains(c.members, s.UserID) || !wanted(e, r) ||
			q != "" && (c.name == "unsearched" || !strings.Contains(strings.ToLower(e.Content), q)) {
			continue
		}
		if skip--; skip >= 0 {
			continue
		}
		if len(out.Messages) == limit {
			before, _ := strconv.Atoi(r.FormValue("cursor"))
			out.HasMore, out.NextCursor = true, strconv.Itoa(before+limit)
			break
		}
		out.Messages = append(out.Messages, e)
	}
	return out, nil
}

func wanted(e frame.Event, r *http.Request) bool {
	for name, have := range map[string]string{"senderId": e.SenderID, "conversationId": e.ConversationID, "contentType": e.ContentType} {
		if want := r.FormValue(name); want != "" && want != have {
			return false
		}
	}
	from, errFrom := strconv.ParseInt(r.FormValue("from"), 10, 64)
	to, errTo := strconv.ParseInt(r.FormValue("to"), 10, 64)
	return (errFrom != nil || e.Timestamp >= from) && (errTo != nil || e.Timestamp < to)
}
