// SPDX-License-Identifier: Apache-2.0

package account_test

import (
	"testing"

	"parley.chat/core/account"
	"parley.chat/core/account/accounttest"
)

func TestAccounts_InMemory(t *testing.T) {
	accounttest.Run(t, func(*testing.T) account.Store { return accounttest.NewMemory() })
}
