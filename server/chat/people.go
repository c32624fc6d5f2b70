// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"parley.chat/protocol/id"
)

// userID completes what the user typed: a name without a server is on the own server.
func (m *model) userID(typed string) (string, error) {
	name, server, away := strings.Cut(strings.TrimPrefix(typed, "@"), "@")
	name, err := id.NormalizeUsername(name)
	if err != nil {
		return "", fmt.Errorf("%s is not a username: it holds only a-z 0-9 . _ - and at most 64 of them", quoted(typed))
	}
	if !away {
		return name + "@" + m.server(), nil
	}
	server = strings.ToLower(server)
	if _, err := id.ParseServer(server); err != nil {
		return "", fmt.Errorf("%s is not a user: type NAME, or NAME@SERVER", quoted(typed))
	}
	return name + "@" + server, nil
}

// userIDs completes several names.
func (m *model) userIDs(typed []string) ([]string, error) {
	var users []string
	for _, s := range typed {
		u, err := m.userID(s)
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

func quoted(typed string) string { return `"` + short(clean(typed), 40) + `"` }

// choose finds the conversation that is meant by its number in the list, or else by its name.
func (a *app) choose(ctx context.Context, typed string) (string, error) {
	if err := a.needList(ctx); err != nil {
		return "", err
	}
	if n, err := strconv.Atoi(typed); err == nil && n >= 1 && n <= len(a.listed) {
		return a.listed[n-1], nil
	}
	found := a.called(typed)
	switch len(found) {
	case 0:
		if why := a.waits(typed); why != "" {
			return "", errors.New(why)
		}
		return "", fmt.Errorf("no conversation %s: /list shows them, /dm NAME begins one", quoted(typed))
	case 1:
		return found[0], nil
	}
	return "", errors.New("several conversations are called " + quoted(typed) + ": /list, then /open N")
}

// called returns the conversations with the name or the peer, without regard to case.
func (m *model) called(name string) []string {
	name = strings.TrimPrefix(name, "@")
	var found []string
	for _, c := range m.current() {
		if m.named(c, name) {
			found = append(found, c.ConversationID)
		}
	}
	return found
}

// named tells whether a conversation is called so.
func (m *model) named(c *conv, name string) bool {
	names := []string{c.Name, m.title(c)}
	if c.PeerID != "" {
		names = append(names, c.PeerID, m.person(c.PeerID))
	}
	return slices.ContainsFunc(names, func(s string) bool { return s != "" && strings.EqualFold(s, name) })
}

// waits tells why a conversation of this name is not there: it was asked for and not accepted.
func (m *model) waits(name string) string {
	name = strings.TrimPrefix(name, "@")
	for _, c := range m.convs {
		switch {
		case !m.named(c, name):
		case c.IsHidden:
			return "you declined to talk with " + m.title(c) + "; /inbox shows who asks now"
		case c.IsRequest:
			return m.title(c) + " asks for a conversation that you did not accept: /inbox"
		}
	}
	return ""
}
