// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"maps"
	"slices"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
)

// The capabilities: what a role may be allowed. spec: CONV-PERM-1
const (
	CanSend           = "send"
	CanInvite         = "invite"         // add members, approve requests
	CanEditInfo       = "editInfo"       // name, description, avatar
	CanPin            = "pin"            // messages
	CanRemove         = "remove"         // members of a lower role
	CanBan            = "ban"            // strangers, and members of a lower role
	CanDeleteOthers   = "deleteOthers"   // messages of others; whoever has it is exempt from slow mode
	CanMentionAll     = "mentionAll"     // everybody at once
	CanManageLinks    = "manageLinks"    // make, see and revoke invite links
	CanChangeSettings = "changeSettings" // timer, visibility of the history, slow mode, search
)

// lowest are the lowest roles that have the capabilities unless permissions say otherwise.
var lowest = map[string]string{
	CanSend: Simple, CanInvite: Admin, CanEditInfo: Admin, CanPin: Admin, CanRemove: Admin, CanBan: Admin,
	CanDeleteOthers: Admin, CanMentionAll: Admin, CanManageLinks: Admin, CanChangeSettings: Admin,
}

// Permissions are the lowest roles that have the capabilities, all of them; nil in a direct conversation.
func (s *State) Permissions() map[string]string {
	if s.Type() == event.Direct {
		return nil
	}
	out := maps.Clone(lowest)
	maps.Copy(out, s.Info.Permissions)
	return out
}

// May tells whether a role has the capability here. The two of a direct conversation may send and pin; owners may everything.
func (s *State) May(role, capability string) bool {
	if s.Type() == event.Direct {
		return capability == CanSend || capability == CanPin
	}
	from, ok := s.Info.Permissions[capability]
	if !ok {
		from, ok = lowest[capability]
	}
	return role == Owner || ok && rank(role) >= rank(from)
}

// need refuses those whose role does not have the capability. spec: CONV-ROLE-1
func (s *State) need(m Member, capability string) error {
	if s.May(m.Role, capability) {
		return nil
	}
	return fault.New(fault.InsufficientRole, "your role does not have the permission %s here", capability)
}

// checkPermissions checks the form of permissions.
func checkPermissions(p map[string]string) error {
	for _, capability := range slices.Sorted(maps.Keys(p)) { // In order, so that all find the same fault first.
		if lowest[capability] == "" {
			return fault.Invalid("permissions", "there is no capability of this name")
		}
		if rank(p[capability]) < 0 {
			return fault.Invalid("permissions."+capability, "must be %s, %s or %s", Owner, Admin, Simple)
		}
	}
	return nil
}

// grant is what permissions are after a change; nil if all are the default.
func grant(have, change map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, have)
	maps.Copy(out, change)
	maps.DeleteFunc(out, func(capability, role string) bool { return lowest[capability] == role })
	if len(out) == 0 {
		return nil
	}
	return out
}
