// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"strings"
	"testing"
	"unicode/utf8"

	"parley.chat/sdk/sdktest"
)

func TestHelp_TellsEveryUsageTheSlashAndTheTicks(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), true)
	a.line(t.Context(), "/help all")
	lines := p.took()
	text := strings.Join(lines, "\n")
	for name, c := range commands() {
		if !strings.HasPrefix(c.usage, name) || !strings.Contains(text, c.usage+" ") {
			t.Errorf("no %q", c.usage)
		}
	}
	for _, want := range []string{
		"/role USER owner|admin|member ", "/devices [remove N] ", "//text sends a line that\nbegins with a slash",
		"… queued, ✓ sent to the server, ✓✓ delivered, ✓✓ read, ✗ refused",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
