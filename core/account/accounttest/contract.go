// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"testing"

	"parley.chat/core/account"
)

// Open makes an empty store with Shards shards that ends with the test.
type Open func(t *testing.T) account.Store

// Run runs the contract; each test gets a store of its own.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, Open){
		"Register_MakesAnAccountThatIsLoggedIn":    registerLogsIn,
		"Register_RefusesBadInput":                 registerRefuses,
		"Register_PhoneNumberIsUnique":             registerPhone,
		"Register_OneOfManyGetsTheName":            registerRace,
		"Register_OrphanOfACrashIsTakenOver":       registerOrphan,
		"Register_Modes":                           registerModes,
		"Register_AddressIsLimited":                registerLimit,
		"Login_ByUsernameOrUserID":                 loginNames,
		"Login_UnknownUserCostsTheSame":            loginConstantWork,
		"Login_KeepsAKnownDeviceAndEndsItsTokens":  loginKnownDevice,
		"Login_IsLimited":                          loginLimit,
		"Login_UpgradesAStaleHash":                 loginUpgrade,
		"Login_LosesAgainstAChangeOfThePassword":   loginRace,
		"Refresh_OldTokenIsGoodUntilTheNewIsUsed":  refreshGrace,
		"Refresh_UnusedPairIsVoidAfterARepeat":     refreshRepeat,
		"Refresh_ReuseRevokesTheFamily":            refreshReuse,
		"Refresh_UseByRefreshSpendsToo":            refreshChain,
		"Refresh_Expires":                          refreshExpires,
		"Refresh_ManyAtOnceLeaveOneGoodPair":       refreshConcurrent,
		"Refresh_RefusesForeignTokens":             refreshForeign,
		"Authenticate_ExpiredAndUnknown":           authenticateFaults,
		"Authenticate_FirstUseAtOnceByMany":        authenticateConcurrent,
		"Devices_ListRemoveLogout":                 devices,
		"Devices_LastSeenIsCoarseAndBatched":       lastSeen,
		"Devices_SweepEndsIdleOnes":                sweep,
		"ChangePassword_EndsOtherDevices":          changePassword,
		"ChangePassword_NeedsTheOldOne":            changePasswordProof,
		"Deactivate_EndsEverythingAndKeepsTheName": deactivate,
		"Profile_IsEditedFieldByField":             profile,
		"Profile_PhoneNumberMoves":                 profilePhone,
		"Profile_OtherNumbersAreFewADay":           profilePhones,
		"Ticket_IsGoodOnceForItsOrigin":            ticket,
		"Ticket_ExpiresAndEndsWithItsDevice":       ticketEnds,
		"Ticket_OneOfManyRedeems":                  ticketConcurrent,
		"Suspend_KeepsFromActingUntilLifted":       suspension,
		"ResetPassword_EndsEveryDevice":            passwordReset,
		"ListUsers_InOrderModeratorsAmongThem":     usersListed,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}
