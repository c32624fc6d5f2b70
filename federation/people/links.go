// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"errors"

	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

// Preview asks the hub what the bearer of an invite link may see. Faults: those of a preview on this server, server_unreachable,
// server_refused, rate_limited. spec: FED-LINK-1
func (d *Directory) Preview(ctx context.Context, hub id.Server, in replica.AskLink) (rest.LinkPreview, error) {
	var out replica.Preview
	if err := d.ask(ctx, question{in.UserID, hub, replica.LinksPath}, in, &out); err != nil {
		return rest.LinkPreview{}, err
	}
	if out.ConversationID != string(in.ConversationID) {
		return rest.LinkPreview{}, unreachable(hub, firstPause).Because(errors.New("the preview is of another conversation"))
	}
	return out.LinkPreview, nil
}
