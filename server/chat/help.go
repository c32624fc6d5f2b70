// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"fmt"
	"strings"
)

func (a *app) cmdHelp(_ context.Context, args []string) error {
	if len(args) == 0 {
		a.helpInShort()
		return nil
	}
	what := strings.ToLower(args[0])
	if c, ok := commands()["/"+strings.TrimPrefix(what, "/")]; ok {
		a.helpOf(c)
		return nil
	}
	known := false
	for _, t := range topics() {
		if what == "all" || t.name == what {
			known = true
			a.helpOn(t)
		}
	}
	if !known {
		return fmt.Errorf("no command and no topic is called %s: /help lists them", quoted(args[0]))
	}
	if what == "all" {
		a.helpBasics()
	}
	return nil
}

// helpInShort names the commands of every topic.
func (a *app) helpInShort() {
	for _, t := range topics() {
		a.screen.print(t.name + ": " + t.about)
		line := " "
		for _, c := range t.commands {
			if len(line)+1+len(c.name()) > 78 {
				a.screen.print(line)
				line = " "
			}
			line += " " + c.name()
		}
		a.screen.print(line)
	}
	a.screen.print("/help TOPIC or /help COMMAND tells more, /help all everything.")
	a.helpBasics()
}

func (a *app) helpOn(t topic) {
	a.screen.print(t.name + ": " + t.about)
	for _, c := range t.commands {
		a.helpOf(c)
	}
}

func (a *app) helpOf(c command) { a.screen.print(fmt.Sprintf("  %-28s  %s", c.usage, c.help)) }

func (a *app) helpBasics() {
	a.screen.print("Anything else is sent to the open conversation; //text sends a line that")
	a.screen.print("begins with a slash, and @NAME in it mentions a member. N is a number as")
	a.screen.print("/list, /devices or a line before its name showed it, USER is NAME, or")
	a.screen.print("NAME@SERVER for someone elsewhere.")
	a.screen.print("Ticks: " + tickQueued + " queued, " + tickSent + " sent to the server, " +
		tickDelivered + " delivered, " + tickRead + ", " + tickFailed + " refused,")
	a.screen.print("       " + tickAccepted + " waits for another server. In a group they tell of whoever is furthest;")
	a.screen.print("       /receipts N tells of everybody.")
}
