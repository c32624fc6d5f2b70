// SPDX-License-Identifier: Apache-2.0

package mutants

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
)

type object = map[string]any

// edit changes JSON and leaves anything else as it is.
func edit(raw []byte, change func(object)) []byte {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m object
	if d.Decode(&m) != nil || m == nil {
		return raw
	}
	change(m)
	out, err := json.Marshal(m)
	if err != nil {
		return raw
	}
	return out
}

// objects returns the objects of a list.
func objects(v any) []object {
	list, _ := v.([]any)
	var out []object
	for _, e := range list {
		if m, ok := e.(object); ok {
			out = append(out, m)
		}
	}
	return out
}

func number(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

// on makes a hook of a change to the good answers of a method and path.
func on(method, path string, change func(m object)) func(*http.Request, *Answer) {
	match := regexp.MustCompile(path)
	return func(r *http.Request, a *Answer) {
		if r.Method == method && match.MatchString(r.URL.Path) && a.Status < 300 {
			a.Body = edit(a.Body, change)
		}
	}
}

// frames makes a hook of a change to the server's frames of one type.
func frames(kind string, change func(frame object, raw []byte) [][]byte) func(bool, []byte) [][]byte {
	return func(fromServer bool, raw []byte) [][]byte {
		var m object
		if !fromServer || json.Unmarshal(raw, &m) != nil || m["type"] != kind {
			return [][]byte{raw}
		}
		return change(m, raw)
	}
}

func send(r *http.Request) bool {
	return r.Method == http.MethodPost && regexp.MustCompile(`/messages$`).MatchString(r.URL.Path)
}

func plain(status int, body string) *Answer {
	return &Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}, Body: []byte(body)}
}
