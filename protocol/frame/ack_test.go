// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/json"
	"testing"
)

func TestAppendAck_IsWhatEncodingJSONMakes(t *testing.T) {
	for _, a := range []Ack{
		{},
		{TempID: "t\"1\\", ConversationID: "c", MessageID: "m", Seq: 1 << 40, Timestamp: -1, Status: "sent"},
	} {
		want, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendAck([]byte("x"), &a); string(got) != "x"+string(want) {
			t.Errorf("AppendAck = %s, want %s", got, want)
		}
	}
}
