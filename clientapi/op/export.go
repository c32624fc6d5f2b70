// SPDX-License-Identifier: Apache-2.0

package op

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// Export writes everything the server keeps of a user into an archive. Parts are the rooms' shares of it; make it with
// NewExport. spec: EXPORT-ALL-1
type Export struct {
	accounts *account.Accounts
	parts    []Part
	now      func() time.Time

	mu      sync.Mutex
	running map[string]struct{} // users
}

// Part writes one share of an export. Whoever adds a table of a user's data adds a Part.
type Part func(ctx context.Context, c Caller, a Archive) error

// Archive is where a Part writes.
type Archive struct {
	zip *zip.Writer
	at  time.Time
}

// NewExport makes the operation from the parts, in the order of the archive.
func NewExport(a *account.Accounts, now func() time.Time, parts ...Part) *Export {
	return &Export{accounts: a, parts: parts, now: now, running: map[string]struct{}{}}
}

const exportReadme = `This archive holds what the server keeps of your account.

profile.json           your profile, as only you see it
devices.json           where you are logged in
settings.json          your settings
blocks.json            whom you block
starred.jsonl          the messages you starred, the last one first
data/                  what your clients keep in your account, if they do
reports.json           reports you made
conversations/<id>/conversation.json   a conversation as you see it
conversations/<id>/messages.jsonl      its entries you may read, one JSON object a line, oldest first

Times are milliseconds since 1970 in UTC. The form of the files is that of the API: /docs/api on your server.
Passwords and tokens are not in it; the server keeps only hashes of them.
`

// Begin proves the password and reserves the export, of which one runs at a time for a user. The caller calls write to stream it
// and, whether or not it did, end. Faults: invalid_field, wrong_credentials, rate_limited. spec: EXPORT-PROOF-1 EXPORT-ONE-1
func (e *Export) Begin(ctx context.Context, c Caller, in rest.Deactivate) (write func(context.Context, io.Writer) error, end func(), err error) {
	if err := e.accounts.Prove(ctx, c.account(), in.Password); err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	key := string(c.User)
	if _, busy := e.running[key]; busy {
		return nil, nil, fault.Retry(fault.RateLimited, 10*time.Second, "an export of this account is under way")
	}
	e.running[key] = struct{}{}
	end = func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.running, key)
	}
	return func(ctx context.Context, w io.Writer) error { return e.write(ctx, c, w) }, end, nil
}

func (e *Export) write(ctx context.Context, c Caller, w io.Writer) error {
	a := Archive{zip.NewWriter(w), e.now().UTC()}
	f, err := a.Create("README.txt")
	if err == nil {
		_, err = fmt.Fprintf(f, "%s\nAccount: %s\nMade: %s\n", exportReadme, c.User, a.at.Format(time.RFC3339))
	}
	if err != nil {
		return err
	}
	for _, part := range e.parts {
		if err := part(ctx, c, a); err != nil {
			return err
		}
	}
	return a.zip.Close()
}

// Create begins a file; it ends with the next one.
func (a Archive) Create(name string) (io.Writer, error) {
	return a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.at})
}

// JSON writes a file with one value.
func (a Archive) JSON(name string, v any) error {
	f, err := a.Create(name)
	if err != nil {
		return err
	}
	raw, err := exported(v)
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	return err
}

// exported is the JSON of the API.
func exported(v any) ([]byte, error) {
	return jsonv2.Marshal(v, jsonv1.OmitEmptyWithLegacySemantics(true))
}

// Export is the part of accounts: profile and devices.
func (a *Accounts) Export(ctx context.Context, c Caller, to Archive) error {
	me, err := a.Me(ctx, c)
	if err != nil {
		return err
	}
	devices, err := a.Devices(ctx, c)
	if err != nil {
		return err
	}
	return first(to.JSON("profile.json", me), to.JSON("devices.json", devices))
}

// Export is the part of reports: those the user made, without proofs.
func (m *Moderation) Export(ctx context.Context, c Caller, to Archive) error {
	list, err := m.Store.ReportsOf(ctx, c.User)
	if err != nil {
		return err
	}
	for i := range list { // What moderators say of it is theirs.
		list[i].ResolvedBy, list[i].Note = "", ""
	}
	return to.JSON("reports.json", rest.Reports{Reports: append([]rest.Report{}, list...)})
}

// exportPage is how many things of a list are in memory at a time.
const exportPage = 100

// ExportPersonal is the part of settings, blocks and account data.
func (o *Conversations) ExportPersonal(ctx context.Context, c Caller, to Archive) error {
	settings, err := o.Settings(ctx, c)
	if err != nil {
		return err
	}
	var blocks rest.Blocks
	for cursor, more := "", true; more; {
		page, err := o.Blocks(ctx, c, cursor, exportPage)
		if err != nil {
			return err
		}
		blocks.Blocks = append(blocks.Blocks, page.Blocks...)
		cursor, more = page.NextCursor, page.HasMore
	}
	if err := first(to.JSON("settings.json", settings), to.JSON("blocks.json", blocks), o.exportStars(ctx, c, to)); err != nil {
		return err
	}
	for cursor, more := "", true; more; {
		page, err := o.Data(ctx, c, cursor, exportPage)
		if err != nil {
			return err
		}
		for _, key := range page.Keys {
			if err := o.exportDatum(ctx, c, key, to); err != nil {
				return err
			}
		}
		cursor, more = page.NextCursor, page.HasMore
	}
	return nil
}

func (o *Conversations) exportStars(ctx context.Context, c Caller, to Archive) error {
	f, err := to.Create("starred.jsonl")
	if err != nil {
		return err
	}
	for cursor, more := "", true; more; {
		page, err := o.Starred(ctx, c, cursor, exportPage)
		if err != nil {
			return err
		}
		if err := writeLines(f, page.Messages); err != nil {
			return err
		}
		cursor, more = page.NextCursor, page.HasMore
	}
	return nil
}

// writeLines writes one JSON object a line.
func writeLines(w io.Writer, records []frame.Event) error {
	for _, e := range records {
		raw, err := exported(e)
		if err == nil {
			_, err = w.Write(append(raw, '\n'))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *Conversations) exportDatum(ctx context.Context, c Caller, key string, to Archive) error {
	d, err := o.Datum(ctx, c, key)
	if fault.Is(err, fault.UnknownKey) {
		return nil // Deleted since the list was read.
	}
	if err != nil {
		return err
	}
	if !json.Valid(d.Value) {
		return fmt.Errorf("export %s: the value is not JSON", key)
	}
	return to.JSON(fmt.Sprintf("data/%x.json", key), d) // Keys may hold what no file name does; it is in the file too.
}

// Export is the part of conversations: each with everything in it that the user may read.
func (o *Conversations) Export(ctx context.Context, c Caller, to Archive) error {
	for cursor, more := "", true; more; {
		page, err := o.List(ctx, c, cursor, false, exportPage)
		if err != nil {
			return err
		}
		for _, conv := range page.Conversations {
			if err := o.exportConversation(ctx, c, conv, to); err != nil {
				return err
			}
		}
		cursor, more = page.NextCursor, page.HasMore
	}
	return nil
}

func (o *Conversations) exportConversation(ctx context.Context, c Caller, conv frame.Conversation, to Archive) error {
	dir := "conversations/" + conv.ConversationID + "/"
	if err := to.JSON(dir+"conversation.json", conv); err != nil {
		return err
	}
	f, err := to.Create(dir + "messages.jsonl")
	if err != nil {
		return err
	}
	in := History{AfterSeq: -1, BeforeSeq: NoBound, Limit: exportPage}
	for {
		page, err := o.Messages(ctx, c, conv.ConversationID, in)
		if err != nil {
			return err
		}
		if err := writeLines(f, page.Messages); err != nil {
			return err
		}
		if !page.HasMore {
			return nil
		}
		in.Cursor = page.NextCursor
	}
}
