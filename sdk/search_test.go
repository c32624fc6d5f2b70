// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"testing"
	"time"

	"parley.chat/protocol/rest"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

func TestSearch_SendsWhatIsSetAndGoesOnFromItsCursor(t *testing.T) {
	f := sdktest.New(t)
	c, err := sdk.New(sdk.Options{BaseURL: f.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(t.Context(), rest.Register{Username: "alice", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	k, other := f.Converse("alice@x", "bob@x"), f.Converse("alice@x", "bob@x")
	one := f.Say(k, "bob@x", "ships & sails")
	f.Say(k, "alice@x", "no boats")
	two := f.Say(other, "bob@x", "more ships")
	for name, s := range map[string]struct {
		sdk.Search
		want []string
	}{
		"text":         {sdk.Search{Text: "ships"}, []string{two.MessageID, one.MessageID}},
		"odd signs":    {sdk.Search{Text: "ships & sails"}, []string{one.MessageID}},
		"conversation": {sdk.Search{SenderID: "bob@x", ConversationID: other}, []string{two.MessageID}},
		"time":         {sdk.Search{SenderID: "bob@x", To: time.UnixMilli(two.Timestamp)}, []string{one.MessageID}},
		"since":        {sdk.Search{From: time.UnixMilli(two.Timestamp), ContentType: "text"}, []string{two.MessageID}},
		"long ago":     {sdk.Search{To: time.Unix(-1, 0)}, nil},
		"nothing":      {sdk.Search{ContentType: "image"}, nil},
		"pages":        {sdk.Search{SenderID: "bob@x", Limit: 1}, []string{two.MessageID, one.MessageID}},
	} {
		var got []string
		for page := (rest.Found{HasMore: true}); page.HasMore; s.Cursor = page.NextCursor {
			if page, err = c.Search(t.Context(), s.Search); err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Messages {
				got = append(got, m.MessageID)
			}
		}
		if len(got) != len(s.want) || len(got) > 0 && got[0] != s.want[0] {
			t.Errorf("%s finds %v, want %v", name, got, s.want)
		}
	}
}
