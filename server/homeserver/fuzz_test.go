// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// FuzzSession plays a whole session of arbitrary frames, one a line; a line that begins with NUL is a binary message. Names
// of this run stand for $CONV, $MESSAGE and $CURSOR.
func FuzzSession(f *testing.F) {
	srv := testenv.Start(f)
	us := srv.Users(f, "alice", "bob")
	conv := us[0].Direct(us[1])
	message := us[1].Post(conv, "x").MessageID
	book := testenv.NewBook()
	if err := us[0].Pull(book); err != nil {
		f.Fatal(err)
	}
	names := strings.NewReplacer("$CONV", conv, "$MESSAGE", message, "$CURSOR", book.Cursor())
	const send = `{"type":"send_message","data":{"tempId":"a","conversationId":"$CONV","contentType":"text","content":"x"}}`
	for _, s := range []string{
		"", "\n\n", "\x00binary", "nothing", `{"type":"sync","data":{}}`, `{"type":"sync","data":{"cursor":"$CURSOR"}}` + "\n" + send,
		send, `{"type":"sync"}` + "\n" + send + "\n" + send + "\n" + strings.Replace(send, `"x"`, `"y"`, 1),
		`{"type":"sync"}` + "\n" + `{"type":"delivery_ack","data":{"conversationId":"$CONV","messageId":"$MESSAGE","status":"read"}}`,
		`{"type":"sync"}` + "\n" + `{"type":"send_message","data":{"tempId":"b","conversationId":"$CONV","contentType":"image","mediaUrl":"https://a","replyToMessageId":"$MESSAGE"}}`,
		`{"type":"sync","data":{"cursor":"` + strings.Repeat("A", 5000) + `"}}`, `{"type":"sync","data":null}` + "\n" + `{"type":"sync","data":{"cursor":"\u0000"}}`,
		`{"type":"sync"}` + "\n" + `{"type":"send_message","data":{"tempId":"\ud83d\ude00","conversationId":"$CONV"}}`, "{\"type\":\"\xff\"}\n" + send,
		`{"type":"delivery_ack","data":{}}`, `{"type":"message_ack"}`, `{"type":"error","data":{"code":"x"}}`, strings.Repeat("[", 20000), strings.Repeat("x", 128<<10+1),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		u := us[0].With(t)
		s, refused := u.Dial(nil, nil)
		if refused != nil {
			t.Fatalf("the server does not take a socket: %v", refused)
		}
		defer s.Drop()
		play(s, names.Replace(string(script)))
		end(t, s)
		for _, fr := range s.Frames() {
			if fr.Type != frame.ErrorFrame {
				continue
			}
			if e := decode[frame.Error](t, fr); e.Code == string(fault.Internal) || e.Code == string(fault.Unavailable) {
				t.Errorf("answered %+v", e)
			}
		}
		if f := u.Call("GET", "/conversations/"+conv, nil, nil); f != nil {
			t.Errorf("afterwards: %v", f)
		}
	})
}

// play sends the lines until the server has enough.
func play(s *testenv.Socket, script string) {
	for line := range strings.SplitSeq(script, "\n") {
		kind := websocket.MessageText
		if rest, ok := strings.CutPrefix(line, "\x00"); ok {
			kind, line = websocket.MessageBinary, rest
		}
		if s.Write(kind, []byte(line)) != nil {
			return
		}
	}
}

// end waits until everything is answered: the last frame is, or the socket was closed for a reason that a client can give.
func end(t *testing.T, s *testenv.Socket) {
	t.Helper()
	last := testenv.Text("c", "the end")
	last.TempID = rand.Text()
	if s.TrySend(frame.SendMessage, last) == nil && s.Answered(last.TempID) {
		return
	}
	if code, _ := s.Closed(); code != 1007 && code != 1009 {
		t.Errorf("the socket was closed with %d", code)
	}
}
