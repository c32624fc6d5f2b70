// SPDX-License-Identifier: Apache-2.0

package account

import (
	"strings"

	"github.com/nyaruka/phonenumbers"

	"parley.chat/protocol/fault"
)

const reservedNames = ` abuse admin administrator admins all anonymous api bot channel deleted everyone federation ` +
	`guest help here hostmaster info localhost mailer-daemon me moderator moderators mod nobody none noreply no-reply ` +
	`null official operator owner parley postmaster root security self server staff superuser support sysadmin system ` +
	`team undefined unknown user users webmaster www you `

// reserved tells whether a normalised username is kept for the operator. A name without a letter or digit is too: it
// reads as punctuation, and as a dot segment in a path.
func reserved(name string) bool {
	return strings.Trim(name, "._-") == "" || strings.Contains(reservedNames, " "+name+" ")
}

// maxE164 is a plus and fifteen digits.
const maxE164 = 16

// ParsePhone reads a phone number with its country code and returns it in E.164. A number has one form: what is returned
// reads as itself, else one subscriber could hold two accounts.
func ParsePhone(s string) (string, error) {
	number, ok := formatPhone(s)
	if again, same := formatPhone(number); !ok || !same || again != number || len(number) > maxE164 {
		return "", fault.Invalid("phoneNumber", "must be a phone number in E.164, as +4930123456")
	}
	return number, nil
}

func formatPhone(s string) (string, bool) {
	digits, international := strings.CutPrefix(s, "+")
	if !international || len(s) > 2*maxE164 || strings.Trim(digits, "0123456789 -.()") != "" { // No letters, no extensions.
		return "", false
	}
	n, err := phonenumbers.Parse(s, "ZZ")
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}

const (
	minPassword = 8
	maxPassword = 256
)

// checkPassword bounds a password to be set. The upper bound is checked of every password that is to be hashed.
func checkPassword(field, p string) error {
	if len(p) < minPassword || len(p) > maxPassword {
		return fault.Invalid(field, "must be %d to %d bytes", minPassword, maxPassword)
	}
	return nil
}
