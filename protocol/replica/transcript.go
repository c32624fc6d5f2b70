// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"

	"parley.chat/protocol/id"
)

// Line is one line of a transcript, a conversation as it is exported: a head line, the keys of the servers that signed, a snapshot
// if the log does not begin with its create event, the entries, and the checkpoint of the last one. Exactly one member is set.
// spec: FED-TRANSCRIPT-1
type Line struct {
	Transcript *TranscriptHead `json:"transcript,omitempty"`
	Keys       string          `json:"keys,omitempty"` // a document as its server publishes it
	Snapshot   *Snapshot       `json:"snapshot,omitempty"`
	Record     *Record         `json:"record,omitempty"`
	Checkpoint *Checkpoint     `json:"checkpoint,omitempty"`
}

// TranscriptHead says of what a transcript is.
type TranscriptHead struct {
	ConversationID id.Conversation `json:"conversationId"`
	ServerName     id.Server       `json:"serverName"` // whose replica it was
	Time           int64           `json:"time"`       // Unix milliseconds
	V              int             `json:"v"`
}

// WriteLine appends a line to a transcript.
func WriteLine(w io.Writer, l Line) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write a transcript: %w", err)
	}
	if _, err := w.Write(append(raw, '\n')); err != nil {
		return fmt.Errorf("write a transcript: %w", err)
	}
	return nil
}

// maxLine is the longest line of a transcript in bytes: a snapshot of a large conversation.
const maxLine = 4 << 20

// ReadTranscript calls do for every line in order, until it fails. The error names the line.
func ReadTranscript(r io.Reader, do func(Line) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var l Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("line %d: %w", n, wrong("line of a transcript", err))
		}
		if l.members() != 1 {
			return fmt.Errorf("line %d: %w", n, malformed("line of a transcript"))
		}
		if err := do(l); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d has more than %d bytes", n+1, maxLine)
	}
	return lines.Err()
}

func (l Line) members() int {
	n := 0
	for _, is := range []bool{l.Transcript != nil, l.Keys != "", l.Snapshot != nil, l.Record != nil, l.Checkpoint != nil} {
		if is {
			n++
		}
	}
	return n
}
