// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley.chat/protocol/rest"
	"parley.chat/sdk"
)

// cmdReport reports a message of the open conversation.
func (a *app) cmdReport(ctx context.Context, args []string) error {
	reasons := []string{"spam", "harassment", "violence", "sexual", "child_safety", "impersonation", "illegal", "other"}
	if len(args) < 2 {
		return errors.New(usage("/report").Error() + "; the reasons are " + strings.Join(reasons, ", "))
	}
	reason := strings.ToLower(args[1])
	if !slices.Contains(reasons, reason) {
		return fmt.Errorf("no reason %s; they are %s", quoted(args[1]), strings.Join(reasons, ", "))
	}
	m, err := a.find(ctx, args[0], false)
	if err != nil {
		return err
	}
	_, err = a.client.Report(ctx, rest.CreateReport{
		ConversationID: a.open, MessageIDs: []string{m.MessageID}, Reason: reason, Text: strings.Join(args[2:], " "),
	})
	if err == nil {
		a.screen.print("Reported to the moderators of your server. The sender does not learn of it.")
	}
	return err
}

// delayed says why a message waits; one word for all that wait together.
func (a *app) delayed(u sdk.SendDelayed) {
	if now := time.Now(); now.After(a.patience) {
		a.patience = now.Add(u.RetryIn)
		wait := max(time.Second, u.RetryIn.Round(time.Second))
		a.screen.print("Too fast for the server (" + explain(u.Err) + "): what you wrote is sent in " + wait.String() + ", by itself.")
	}
}
