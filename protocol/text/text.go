// SPDX-License-Identifier: Apache-2.0

package text

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsLine tells whether s is one line of at most limit bytes of UTF-8 without control characters, line separators, and
// characters that override or isolate the direction of writing. The empty text is one. spec: ENC-SHOW-1
func IsLine(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, isControl)
}

// IsLines is IsLine with line feeds allowed. spec: ENC-SHOW-1
func IsLines(s string, limit int) bool {
	odd := func(r rune) bool { return r != '\n' && isControl(r) }
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, odd)
}

// IsName is IsLine of a text in which there is something to see. The empty text is one: no name. spec: ENC-SHOW-1 ENC-SHOW-2
func IsName(s string, limit int) bool {
	return IsLine(s, limit) && (s == "" || strings.ContainsFunc(s, IsVisible))
}

// isControl: what no list can show, and what makes the text around it read differently from how it is written.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// IsVisible tells whether a character leaves a mark by itself: it is no space, control, joiner or selector, and none of the
// letters and symbols that look like a space. spec: ENC-SHOW-2
func IsVisible(r rune) bool {
	const blankBraille, nullNote = 0x2800, 0x1d159
	return !unicode.IsSpace(r) && r != blankBraille && r != nullNote &&
		!unicode.In(r, unicode.C, unicode.Z, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// IsURL tells whether clients can load s without surprises: an absolute http or https URL with a host and without a user, or
// an absolute path on the server it came from, of at most limit bytes, and without spaces, backslashes and control characters.
// spec: ENC-URL-1 ENC-URL-2
func IsURL(s string, limit int) bool {
	odd := func(r rune) bool { return r == '\\' || unicode.IsSpace(r) }
	if !IsLine(s, limit) || strings.ContainsFunc(s, odd) {
		return false
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil {
		return false
	}
	if strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") {
		return u.Hostname() != ""
	}
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && u.Host == ""
}
