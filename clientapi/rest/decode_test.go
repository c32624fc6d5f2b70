// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"parley.chat/clientapi/rest"
	"parley.chat/protocol/fault"
	wire "parley.chat/protocol/rest"
)

func TestBody_StrictJSON(t *testing.T) {
	m := newRoom(t)
	wantBody(t, m.do("POST", "/notes", `{"name":"x","unknown":{"a":[1]},"deep":{"flag":true}} `), 201, `{"name":"x","count":0,"list":[],"deep":{"flag":true}}`)
	wantBody(t, m.do("POST", "/notes", `{"Name":"x"}`), 201, `{"name":"","count":0,"list":[],"deep":{"flag":false}}`)
	for _, body := range []string{
		`{"name":"a","name":"b"}`, `{"name":"a","n\u0061me":"b"}`, `{"x":{"a":1,"a":1}}`, "{\"name\":\"\xff\"}", `{"name":"\ud800"}`,
		`{"name":"a"`, `{"name":"a"} x`, `{}{}`, `{'a':1}`, "\xef\xbb\xbf{}", `{"count":01}`, `{"a":NaN}`, strings.Repeat("[", 20000), `{"list":[],}`,
		`{"count":"x","name":}`,
	} {
		wantProblem(t, m.do("POST", "/notes", body), fault.MalformedJSON, "")
	}
	wantProblem(t, m.do("POST", "/notes", ""), fault.MalformedJSON, "")
}

func TestBody_WrongTypesNameTheField(t *testing.T) {
	m := newRoom(t)
	for body, field := range map[string]string{
		`{"name":1}`: "name", `{"count":"1"}`: "count", `{"count":1.5}`: "count", `{"count":1e400}`: "count", `{"count":99999999999999999999}`: "count",
		`{"list":{}}`: "list", `{"list":["a",2]}`: "list[1]", `{"deep":{"flag":"yes"}}`: "deep.flag", `{"deep":[]}`: "deep",
		`[]`: "body", `"x"`: "body", `null`: "body", `12`: "body", `true`: "body",
	} {
		p := wantProblem(t, m.do("POST", "/notes", body), fault.InvalidField, field)
		if !strings.HasPrefix(p.Detail, field+": must be ") {
			t.Errorf("%s: detail %q", body, p.Detail)
		}
	}
}

func TestBody_HasALimit(t *testing.T) {
	m := newRoom(t)
	fits := `{"name":"` + strings.Repeat("x", rest.MaxBody-11) + `"}`
	if w := m.do("POST", "/notes", fits); len(fits) != rest.MaxBody || w.Code != 201 {
		t.Errorf("%d bytes: status %d", len(fits), w.Code)
	}
	wantProblem(t, m.do("POST", "/notes", fits+" "), fault.BodyTooLarge, "")

	r := httptest.NewRequest("POST", "/notes", io.LimitReader(zeros{}, rest.MaxBody+1)) // Of unknown length.
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	wantProblem(t, w, fault.BodyTooLarge, "")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestBody_ThatEndsEarlyIsMalformed(t *testing.T) {
	m := newRoom(t)
	r := httptest.NewRequest("POST", "/notes", broken{})
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	wantProblem(t, w, fault.MalformedJSON, "")
}

func TestBody_MediaType(t *testing.T) {
	m := newRoom(t)
	for _, good := range []string{"application/json", "Application/JSON; charset=UTF-8"} {
		if w := m.do("POST", "/notes", `{}`, "Content-Type", "", "Content-Type", good); w.Code != 201 {
			t.Errorf("%s: %d", good, w.Code)
		}
	}
	for _, bad := range []string{"", "text/plain", "application/json; charset=latin1", "application/jsonx", "application/x-www-form-urlencoded", ";"} {
		wantProblem(t, m.do("POST", "/notes", `{}`, "Content-Type", "", "Content-Type", bad), fault.UnsupportedMediaType, "")
	}
	wantProblem(t, m.do("POST", "/notes", `{}`, "Content-Encoding", "gzip"), fault.UnsupportedMediaType, "")
}

func TestEncode_LeavesOutZeroOmitEmptyFieldsOnly(t *testing.T) {
	got, err := rest.Encode(wire.Profile{UserID: "a@b"})
	if want := `{"userId":"a@b","displayName":""}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":"a","count":1,"list":["x"],"deep":{"flag":true}}`, `{"name":"a","name":"b"}`, `[`, `{"list":[1]}`, `null`, "{\"a\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var n note
		err := rest.Decode(raw, &n)
		switch {
		case err == nil:
			if !json.Valid(raw) {
				t.Errorf("took malformed JSON %q", raw)
			}
		case !fault.Is(err, fault.MalformedJSON) && !fault.Is(err, fault.InvalidField):
			t.Errorf("%q: %v", raw, err)
		case fault.Is(err, fault.InvalidField) && fault.From(err).Field == "":
			t.Errorf("%q: the field has no name", raw)
		}
	})
}
