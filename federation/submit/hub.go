// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/core/conversation"
	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	wire "parley.chat/protocol/replica"
)

// Keys finds the keys of servers. An error means that the key cannot be had now.
type Keys interface {
	Find(ctx context.Context, server id.Server, keyID string) (key.Key, error)
}

// HubLog is the log of conversations that are ordered here: core/timeline.
type HubLog interface {
	Timeline
	Message(ctx context.Context, c id.Conversation, u id.User, m id.Message) (timeline.View, *conversation.Event, error)
}

// HubStore reads entries held.
type HubStore interface {
	Hashes(ctx context.Context, n id.Shard, conv, from int64, limit int) ([]event.Hash, error)
}

// Source says what a hub says to a server of its conversations, signed, as far as that server may know it: federation/outbox.
type Source interface {
	// Entries answers who asks for entries; there may be none, without a checkpoint then.
	Entries(ctx context.Context, origin id.Server, in wire.Entries) (wire.Range, error)
	// Snapshot is the newest one.
	Snapshot(ctx context.Context, origin id.Server, c id.Conversation) (wire.Snapshot, error)
}

// HubOptions make a Hub. Admit, Log and Now may be nil.
type HubOptions struct {
	Self     id.Server
	Timeline HubLog
	Store    HubStore
	Keys     Keys
	Source   Source
	Signer   Signer // of the word that this server will be the hub
	// Admit is asked about commands that concern others than their sender (create, members who are added): it refuses with a fault, or
	// sets Prefs and Still.
	Admit func(ctx context.Context, origin id.Server, cmd *timeline.Command) error
	// Diverged tells whether the hub of a conversation was found to lie; nil: it never was.
	Diverged func(ctx context.Context, c id.Conversation) (bool, error)
	Log      *slog.Logger
	Now      func() time.Time

	Checks int // signatures checked at once; as many as there are cores
}

// Hub takes submissions of other servers to conversations that are ordered here. Make it with NewHub.
type Hub struct {
	o      HubOptions
	checks chan struct{}
}

// NewHub makes a Hub.
func NewHub(o HubOptions) *Hub {
	setDefault(&o.Checks, runtime.GOMAXPROCS(0))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Diverged == nil {
		o.Diverged = func(context.Context, id.Conversation) (bool, error) { return false, nil }
	}
	if o.Admit == nil {
		o.Admit = func(context.Context, id.Server, *timeline.Command) error { return nil }
	}
	return &Hub{o: o, checks: make(chan struct{}, o.Checks)}
}

// Receive takes the submissions of a request that was verified to be the origin's, in order. What is refused does not hold up what
// follows it; what may succeed later does. Faults of the whole: submission_refused, unknown_conversation, not_hub, diverged,
// unavailable. spec: FED-SUBMIT-6 FED-SUBMIT-9
func (h *Hub) Receive(ctx context.Context, origin id.Server, in wire.Submissions) (wire.Ordered, error) {
	if err := check(origin, in); err != nil {
		return wire.Ordered{}, err
	}
	v, err := h.view(ctx, origin, in)
	if err != nil {
		return wire.Ordered{}, err
	}
	if err := h.compare(ctx, origin, v, in.Seen); err != nil {
		return wire.Ordered{}, err
	}
	out := wire.Ordered{Results: h.append(ctx, origin, in.Submissions)}
	h.tell(ctx, origin, in, &out)
	return out, nil
}

// check wants all to be of users of the origin, in one conversation. spec: FED-SUBMIT-5
func check(origin id.Server, in wire.Submissions) error {
	if len(in.Submissions) == 0 || len(in.Submissions) > wire.MaxSubmissions {
		return fault.Invalid("submissions", "must be 1 to %d", wire.MaxSubmissions)
	}
	for _, s := range in.Submissions {
		switch {
		case s.Submission.ConversationID != in.ConversationID:
			return refused("a submission is of another conversation than the request")
		case s.Submission.Sender.Server() != origin:
			return refused("a submission is of another server's user")
		}
	}
	return nil
}

func refused(text string) error { return fault.New(fault.SubmissionRefused, "%s", text) }

// joins are the types by which somebody of a server without a member comes in.
func joins(typ string) bool {
	return typ == frame.TypeCreate || typ == frame.TypeMemberJoin || typ == frame.TypeJoinRequest
}

// view finds the conversation, the zero View if it is to be created. A server that never had a member learns nothing but by a link.
func (h *Hub) view(ctx context.Context, origin id.Server, in wire.Submissions) (timeline.View, error) {
	first := in.Submissions[0].Submission
	stranger := fault.New(fault.UnknownConversation, "no such conversation")
	v, err := h.o.Timeline.View(ctx, in.ConversationID)
	switch {
	case fault.Is(err, fault.UnknownConversation) && first.Type == frame.TypeCreate:
		return timeline.View{}, nil
	case err != nil:
		return v, err
	case !hadMember(v.State, origin) && !joins(first.Type):
		return v, stranger
	case v.State.Hub() != h.o.Self && !hadMember(v.State, origin):
		return v, stranger
	case v.State.Hub() != h.o.Self:
		return v, fault.New(fault.NotHub, "%s", v.State.Hub())
	}
	return v, nil
}

func hadMember(s *conversation.State, server id.Server) bool {
	for u := range s.Members {
		if u.Server() == server {
			return true
		}
	}
	return false
}

// compare wants the head that the origin has seen to be one of this log. Another one was signed by somebody in the name of this server,
// or the log was lost. spec: FED-SUBMIT-10
func (h *Hub) compare(ctx context.Context, origin id.Server, v timeline.View, seen *wire.Seen) error {
	if seen == nil || v.State == nil || !slices.Contains(v.State.Servers(), origin) && !hadMember(v.State, origin) {
		return nil
	}
	raw, err := canonical.DecodeBase64(seen.Hash)
	if err != nil || len(raw) != len(event.Hash{}) || seen.Seq < 0 || seen.Seq > id.MaxSeq {
		return fault.Invalid("seen", "is no head")
	}
	if seen.Seq < v.Base || seen.Term != v.State.Term() {
		return nil
	}
	have := v.Head.Hash
	if seen.Seq < v.Head.Seq {
		hashes, err := h.o.Store.Hashes(ctx, v.Shard, v.Conv, seen.Seq, 1)
		if err != nil {
			return away(err)
		}
		if len(hashes) == 1 {
			have = hashes[0]
		}
	}
	if seen.Seq <= v.Head.Seq && have == event.Hash(raw) {
		return nil
	}
	h.o.Log.Error("a server has seen a head of a conversation that was never issued here: somebody signs as this server, or entries were lost",
		slog.String("conversation", string(v.State.ID)), slog.String("server", string(origin)), slog.Int64("seq", seen.Seq), slog.String("hash", seen.Hash),
		slog.Int64("head", v.Head.Seq))
	return fault.New(fault.Diverged, "the head that was seen was never issued here")
}

// append appends what may be appended, in order, and waits for all of it.
func (h *Hub) append(ctx context.Context, origin id.Server, list []wire.Submitted) []wire.Place {
	places := make([]wire.Place, len(list))
	done := make(chan struct{}, len(list))
	end := newEnd(len(list))
	queued := 0
	for i := range list {
		settle := func(r timeline.Result, err error) {
			places[i] = placeOf(r, err)
			if later(err) {
				end.at(i)
			}
		}
		if end.before(i) {
			settle(timeline.Result{}, errLater)
			continue
		}
		cmd, err := h.command(ctx, origin, &list[i])
		if err == nil {
			admitted := cmd.Still
			cmd.Still = func() bool { return !end.before(i) && (admitted == nil || admitted()) }
			err = h.o.Timeline.Submit(ctx, cmd, func(r timeline.Result, err error) { settle(r, err); done <- struct{}{} })
		}
		if err != nil {
			settle(timeline.Result{}, err)
			continue
		}
		queued++
	}
	for range queued {
		<-done
	}
	return places
}

// end is the first of several that may succeed later: what comes after it is not tried.
type end struct{ first atomic.Int64 }

func newEnd(n int) *end {
	e := &end{}
	e.first.Store(int64(n))
	return e
}

func (e *end) at(i int) {
	for {
		have := e.first.Load()
		if int64(i) >= have || e.first.CompareAndSwap(have, int64(i)) {
			return
		}
	}
}

func (e *end) before(i int) bool { return e.first.Load() < int64(i) }

var errLater = fault.Retry(fault.Unavailable, time.Second, "one before it is to be sent again")

// later tells whether sending again makes sense.
func later(err error) bool {
	if err == nil {
		return false
	}
	return errors.Is(err, timeline.ErrOutdated) || !permanent(fault.From(err))
}

func placeOf(r timeline.Result, err error) wire.Place {
	var elsewhere *timeline.ElsewhereError
	switch {
	case err == nil:
		return wire.Place{Seq: r.Seq, MessageID: r.MessageID}
	case errors.Is(err, conversation.ErrUnchanged):
		return wire.Place{Code: string(fault.Unchanged)}
	case errors.Is(err, timeline.ErrOutdated):
		err = errLater
	case errors.As(err, &elsewhere):
		return wire.Place{Code: string(fault.NotHub), Detail: string(elsewhere.Hub)}
	}
	f := fault.From(err)
	return wire.Place{Code: string(f.Code), Detail: f.Message, RetryAfterMS: f.RetryAfter.Milliseconds()}
}

// command checks a submission and makes the command of it.
func (h *Hub) command(ctx context.Context, origin id.Server, s *wire.Submitted) (timeline.Command, error) {
	if err := h.verify(ctx, origin, s); err != nil {
		return timeline.Command{}, err
	}
	cmd, err := submission.Read(s.Submission, s.Content, s.Secret)
	if err != nil {
		return cmd, err
	}
	if conversation.IsServer(cmd.Sender) {
		return cmd, refused("a server submits nothing")
	}
	if err := h.about(ctx, &cmd); err != nil {
		return cmd, err
	}
	switch cmd.Type {
	case frame.TypeCreate:
		if cmd.Create.Hub != h.o.Self {
			return cmd, fault.New(fault.NotHub, "%s", cmd.Create.Hub)
		}
		if cmd.Create.Type != event.Direct { // A server makes its users' groups itself.
			return cmd, refused("only a direct conversation is created at another server")
		}
		err = h.o.Admit(ctx, origin, &cmd)
	case frame.TypeMemberAdd:
		err = h.o.Admit(ctx, origin, &cmd)
	case frame.TypeHubTransfer:
		err = h.accepted(ctx, &cmd)
	}
	cmd.Signed = &timeline.Signed{Salt: s.Salt, KeyID: s.Signature.KeyID, Signature: s.Signature.Bytes}
	return cmd, err
}

// verify wants the signature to be good now, by a key that signs now.
func (h *Hub) verify(ctx context.Context, origin id.Server, s *wire.Submitted) error {
	k, err := h.o.Keys.Find(ctx, origin, s.Signature.KeyID)
	if err != nil {
		return fault.Retry(fault.Unavailable, 10*time.Second, "the key of the signature cannot be had now").Because(err)
	}
	select {
	case h.checks <- struct{}{}:
		defer func() { <-h.checks }()
	case <-ctx.Done():
		return away(ctx.Err())
	}
	if k.IsRevoked || !k.Signs(h.o.Now().UnixMilli()) {
		return refused("the key of the signature is not one that signs now")
	}
	if event.ContentHash(s.Salt, s.Content) != s.Submission.ContentHash {
		return refused("the content is not what was signed")
	}
	if err := s.Submission.Verify(s.Signature, k.Public); err != nil {
		return fault.New(fault.SubmissionRefused, "the signature is not good").Because(err)
	}
	return nil
}

// about checks what needs the log: a message replied to must be one the sender can read, and an edit is of the kind of its message.
func (h *Hub) about(ctx context.Context, cmd *timeline.Command) error {
	switch cmd.Type {
	case frame.TypeMessage:
		m, err := submission.Message(cmd.Content)
		if err != nil || m.ReplyToMessageID == "" {
			return err
		}
		target, err := id.ParseMessage(m.ReplyToMessageID)
		if err != nil {
			return err
		}
		_, _, err = h.message(ctx, cmd, target)
		return err
	case frame.TypeEdit:
		e, found, err := h.message(ctx, cmd, cmd.About)
		if err != nil || !found || e.Sender != cmd.Sender || e.Content == nil {
			return err // The rules say why.
		}
		was, err := submission.Message(e.Content)
		if err != nil {
			return fmt.Errorf("read the message of an edit: %w", err)
		}
		edit, err := event.ParseRelation(cmd.Content)
		switch {
		case err != nil:
			return err
		case was.Content == "":
			return fault.Invalid("messageId", "the message has no text that could be edited")
		case edit.ContentType != was.ContentType:
			return fault.Invalid("contentType", "is not that of the message")
		}
	}
	return nil
}

// message finds a message that the sender may read. One that was used before is answered as before, whatever became of the message.
func (h *Hub) message(ctx context.Context, cmd *timeline.Command, m id.Message) (*conversation.Event, bool, error) {
	_, e, err := h.o.Timeline.Message(ctx, cmd.ConversationID, cmd.Sender, m)
	switch {
	case err != nil:
		return nil, false, err
	case e.Type != frame.TypeMessage:
		return nil, false, fault.New(fault.UnknownMessage, "no such message")
	}
	return e, true, nil
}

// answerRoom is what the entries or the snapshot in an answer may take in bytes, so that all of it is within what is read.
const answerRoom = wire.MaxBody - 64<<10

// tell adds what the origin has not seen, so that the answer holds the entries of its submissions. It is no failure if it cannot be
// told now: what was appended is pushed too.
func (h *Hub) tell(ctx context.Context, origin id.Server, in wire.Submissions, out *wire.Ordered) {
	v, err := h.o.Timeline.View(ctx, in.ConversationID)
	placed := slices.ContainsFunc(out.Results, func(p wire.Place) bool { return p.Code == "" })
	switch {
	case err != nil:
	case in.Seen != nil && hadMember(v.State, origin):
		out.Range, err = h.entries(ctx, origin, in.ConversationID, in.Seen.Seq)
	case in.Seen == nil && placed && slices.Contains(v.State.Servers(), origin):
		out.Snapshot, err = h.snapshot(ctx, origin, in.ConversationID)
	}
	if err != nil && !fault.Is(err, fault.UnknownConversation) {
		h.o.Log.Warn("an answer goes without the entries", slog.String("conversation", string(in.ConversationID)), slog.Any("error", err))
	}
}

// entries are those after a seq for which there is room, nil if there are none.
func (h *Hub) entries(ctx context.Context, origin id.Server, c id.Conversation, after int64) (*wire.Range, error) {
	for limit := wire.MaxRecords; limit > 0; limit /= 2 {
		r, err := h.o.Source.Entries(ctx, origin, wire.Entries{ConversationID: c, AfterSeq: &after, Limit: limit})
		if err != nil || len(r.Records) == 0 {
			return nil, err
		}
		ok, err := isShort(r), error(nil)
		if !ok {
			ok, err = fits(r)
		}
		if err != nil {
			return nil, err
		}
		if ok {
			return &r, nil
		}
	}
	return nil, nil
}

// isShort tells of a range that it has room, without writing it: text at most doubles as a string, and the rest of a record is bounded.
func isShort(r wire.Range) bool {
	room := answerRoom
	for i := range r.Records {
		room -= 2*len(r.Records[i].Content) + recordBytes
	}
	return room > 0
}

// recordBytes is more than a record takes beside its content.
const recordBytes = 4096

func (h *Hub) snapshot(ctx context.Context, origin id.Server, c id.Conversation) (*wire.Snapshot, error) {
	s, err := h.o.Source.Snapshot(ctx, origin, c)
	if err != nil {
		return nil, err
	}
	if fits, err := fits(s); err != nil || !fits { // It is asked for by itself then.
		return nil, err
	}
	return &s, nil
}

func fits(v any) (bool, error) {
	raw, err := json.Marshal(v)
	return len(raw) <= answerRoom, err
}
