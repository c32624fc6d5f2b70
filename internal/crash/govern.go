// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"

	"parley.chat/protocol/rest"
)

// govern makes one change of settings, bans or links by the owner of a group. The visibility of the history stays as it is,
// because a history does not know of entries that a member may read and need not.
func (w *world) govern(ctx context.Context, rng *rand.Rand, owner, other *login, path string) error {
	switch rng.IntN(6) {
	case 0:
		text, timer := fmt.Sprint("about ", rng.IntN(1000)), []int64{0, 86400}[rng.IntN(2)]
		return w.api.do(ctx, owner, http.MethodPatch, path, rest.EditConversation{Description: &text, EphemeralTimer: &timer}, nil)
	case 1:
		pin := []string{"member", "admin"}[rng.IntN(2)]
		return w.api.do(ctx, owner, http.MethodPatch, path, rest.EditConversation{Permissions: map[string]string{"pin": pin}}, nil)
	case 2:
		return w.api.do(ctx, owner, http.MethodPut, path+"/bans/"+other.user, nil, nil)
	case 3, 4:
		return w.unban(ctx, owner, path)
	}
	return w.invite(ctx, rng, owner, other, path)
}

// unban lifts the first ban there is, so that groups do not run out of people.
func (w *world) unban(ctx context.Context, owner *login, path string) error {
	var page rest.Bans
	if err := w.api.do(ctx, owner, http.MethodGet, path+"/bans?limit=1", nil, &page); err != nil || len(page.Bans) == 0 {
		return err
	}
	return w.api.do(ctx, owner, http.MethodDelete, path+"/bans/"+page.Bans[0].UserID, nil, nil)
}

// invite makes a link, lets other in by it, and revokes it mostly.
func (w *world) invite(ctx context.Context, rng *rand.Rand, owner, other *login, path string) error {
	var link rest.Link
	if err := w.api.do(ctx, owner, http.MethodPost, path+"/links", rest.CreateLink{MaxUses: 1, NeedsApproval: rng.IntN(3) == 0}, &link); err != nil {
		return err
	}
	if err := w.api.do(ctx, other, http.MethodPost, "/api/v1/links/join", rest.LinkToken{Token: link.Token}, nil); err != nil {
		return err
	}
	return w.api.do(ctx, owner, http.MethodDelete, path+"/links/"+link.LinkID, nil, nil)
}
