// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// registrationTokens reads the operator's file of registration tokens, one a line, and makes them known.
func (h *Homeserver) registrationTokens(ctx context.Context) error {
	path := h.cfg.Registration.TokensFile
	if path == "" {
		return nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("registration tokens: %w", err)
	}
	for _, line := range strings.Split(string(raw), "\n") {
		if token := strings.TrimSpace(line); token != "" && !strings.HasPrefix(token, "#") {
			if err := h.accounts.AllowRegistrationToken(ctx, token); err != nil {
				return fmt.Errorf("registration tokens: %w", err)
			}
		}
	}
	return nil
}
