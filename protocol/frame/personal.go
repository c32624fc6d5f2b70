// SPDX-License-Identifier: Apache-2.0

package frame

import "encoding/json"

// AccountData is one item of a user's account data: the data of account_data, and an item of a sync. A null value says that it
// is gone.
type AccountData struct {
	Type  string          `json:"type"` // settings, block, data, star, hidden
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}
