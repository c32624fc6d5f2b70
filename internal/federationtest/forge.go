// SPDX-License-Identifier: Apache-2.0

package federationtest

import (
	"testing"

	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// Reseal makes a record that was changed fit together again, as a hub that lies would: hashes, message id, and the prev of those
// that follow. Signatures of authors stay as they are.
func Reseal(t testing.TB, list []wire.Record) {
	t.Helper()
	for i := range list {
		r := &list[i]
		if r.Content != nil {
			r.Submission.ContentHash = event.ContentHash(r.Salt, r.Content)
		}
		sub, err := r.Submission.Hash(nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Entry.SubmissionHash = sub
		r.Entry.MessageID = id.NewMessage(r.Entry.HubTime, r.Entry.Seq, sub)
		if i > 0 {
			if r.Entry.Prev, err = list[i-1].Entry.Hash(nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}
