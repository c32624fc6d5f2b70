// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"errors"
	"strings"
)

// topic is a group of commands, as help shows them.
type topic struct {
	name, about string
	commands    []command
}

func topics() []topic {
	return []topic{
		{"conversations", "open and begin them", conversationCommands()},
		{"messages", "read, answer and change them", messageCommands()},
		{"finding", "search and find", searchCommands()},
		{"groups", "members, settings, links, pins", append(memberCommands(), governCommands()...)},
		{"personal", "what only you see", personalCommands()},
		{"people", "others, and whom you hear of", peopleCommands()},
		{"account", "your settings and devices, leaving", accountCommands()},
	}
}

// commands are all commands by name.
func commands() map[string]command {
	out := map[string]command{}
	for _, t := range topics() {
		for _, c := range t.commands {
			out[c.name()] = c
		}
	}
	return out
}

func (c command) name() string {
	name, _, _ := strings.Cut(c.usage, " ")
	return name
}

func usage(name string) error { return errors.New("usage: " + commands()[name].usage) }

func conversationCommands() []command {
	return []command{
		{"/list [all]", "the conversations, numbered; or archived too", 0, false, (*app).cmdList},
		{"/open N|NAME", "open a conversation by number or by name", 1, false, (*app).cmdOpen},
		{"/dm NAME", "open the direct conversation with someone", 1, false, (*app).cmdDirect},
		{"/group NAME [USER…]", "make a group; quote a name with spaces", 1, false, (*app).cmdGroup},
		{"/channel NAME [public]", "make a channel: you write, others read", 1, false, (*app).cmdChannel},
		{"/subscribe ID", "read a public channel", 1, false, (*app).cmdSubscribe},
		{"/unsubscribe", "read it no longer", 0, true, (*app).cmdUnsubscribe},
		{"/inbox [declined|accept N|decline N]", "who asks; accept NAME: after all", 0, false, (*app).cmdInbox},
		{"/join LINK", "join a group by an invite link", 1, false, (*app).cmdJoin},
	}
}

func messageCommands() []command {
	return []command{
		{"/history [N]", "the newest N lines, else 20", 0, true, (*app).cmdHistory},
		{"/older [N]", "N lines before the oldest shown, else 20", 0, true, (*app).cmdOlder},
		{"/reply N|last TEXT", "answer a message", 2, true, (*app).cmdReply},
		{"/forward N|last NAME", "send a message on to a conversation", 2, true, (*app).cmdForward},
		{"/edit N|last TEXT", "give an own message another text", 2, true, (*app).cmdEdit},
		{"/edits N|last", "the texts a message had", 1, true, (*app).cmdEdits},
		{"/delete N|last", "delete a message for everyone", 1, true, (*app).cmdDelete},
		{"/deleteforme N|last", "take a message away for you alone", 1, true, (*app).cmdDeleteForMe},
		{"/react N|last EMOJI", "react to a message", 2, true, (*app).cmdReact},
		{"/unreact N|last EMOJI", "take your reaction back", 2, true, (*app).cmdUnreact},
		{"/receipts [N|last]", "who got a message, else the newest", 0, true, (*app).cmdReceipts},
		{"/report N|last REASON [TEXT]", "tell the moderators; /report lists the reasons", 0, true, (*app).cmdReport},
	}
}

func searchCommands() []command {
	return []command{
		{"/search [WORD…] [from:USER] [in:N] [kind:K]", "find messages, newest first", 1, false, (*app).cmdSearch},
		{"/find WORDS", "find messages here", 1, true, (*app).cmdFind},
		{"/more", "go on with what was searched for last", 0, false, (*app).cmdMore},
		{"/goto N", "open the conversation at a found message", 1, false, (*app).cmdGoto},
		{"/words on|off", "let the server index the words of this group", 1, true, (*app).cmdWords},
	}
}

func memberCommands() []command {
	return []command{
		{"/members", "who is in it", 0, true, (*app).cmdMembers},
		{"/add USER…", "add members", 1, true, (*app).cmdAdd},
		{"/remove USER", "remove a member", 1, true, (*app).cmdRemove},
		{"/leave", "leave the group", 0, true, (*app).cmdLeave},
		{"/role USER owner|admin|member", "give a member another role", 2, true, (*app).cmdRole},
		{"/hub SERVER", "let a member's server order the conversation", 1, true, (*app).cmdHub},
		{"/transfer USER", "hand the group over", 1, true, (*app).cmdTransfer},
		{"/ban [USER]", "keep someone out, or who is", 0, true, (*app).cmdBan},
		{"/unban USER", "lift a ban", 1, true, (*app).cmdUnban},
		{"/link [ask|revoke N|list]", "an invite link; with ask you approve", 0, true, (*app).cmdLink},
		{"/requests", "who asks to join", 0, true, (*app).cmdRequests},
		{"/approve USER", "let someone in who asks", 1, true, (*app).cmdApprove},
		{"/decline USER", "do not", 1, true, (*app).cmdDecline},
	}
}

func governCommands() []command {
	return []command{
		{"/rename NAME", "rename the group", 1, true, (*app).cmdRename},
		{"/describe TEXT", "say what the group is about", 1, true, (*app).cmdDescribe},
		{"/permissions [WHAT ROLE]", "what each role may, or change it", 0, true, (*app).cmdPermissions},
		{"/slow off|SECONDS", "the time between two messages of a member", 1, true, (*app).cmdSlow},
		{"/timer off|1d|7d|90d", "let new messages disappear", 1, true, (*app).cmdTimer},
		{"/pin [off] [N|last]", "pin a message, else the newest, or unpin it", 0, true, (*app).cmdPin},
		{"/pins", "the pinned messages", 0, true, (*app).cmdPins},
	}
}

func personalCommands() []command {
	return []command{
		{"/mute 8h|7d|always|off", "hear nothing of it for a while", 1, true, (*app).cmdMute},
		{"/notify all|mentions|none", "which messages of it you hear of", 1, true, (*app).cmdNotify},
		{"/pinchat [off]", "keep it at the top", 0, true, (*app).cmdPinChat},
		{"/archive [off]", "put it away", 0, true, (*app).cmdArchive},
		{"/unread", "look at it again later", 0, true, (*app).cmdUnread},
		{"/draft [TEXT|-]", "show or keep what you will write; - clears it", 0, true, (*app).cmdDraft},
		{"/star [off] [N|last]", "star a message, else the newest, or unstar it", 0, true, (*app).cmdStar},
		{"/starred", "your starred messages", 0, false, (*app).cmdStarred},
	}
}

func peopleCommands() []command {
	return []command{
		{"/profile NAME", "what someone tells of themselves", 1, false, (*app).cmdProfile},
		{"/online NAME", "whether someone is there, and when last", 1, false, (*app).cmdOnline},
		{"/block USER", "hear nothing of someone, save in groups", 1, false, (*app).cmdBlock},
		{"/unblock USER", "lift a block", 1, false, (*app).cmdUnblock},
		{"/blocks", "whom you block", 0, false, (*app).cmdBlocks},
	}
}

func accountCommands() []command {
	return []command{
		{"/settings [NAME VALUE]", "your settings, or change one", 0, false, (*app).cmdSettings},
		{"/devices [remove N]", "your devices, numbered, or log out one of them", 0, false, (*app).cmdDevices},
		{"/logout", "log out, forget this device, and leave", 0, false, (*app).cmdLogout},
		{"/quit", "leave; what is unsent stays queued", 0, false, (*app).cmdQuit},
		{"/help [TOPIC|COMMAND|all]", "this", 0, false, (*app).cmdHelp},
	}
}
