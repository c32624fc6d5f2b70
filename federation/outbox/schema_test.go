// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/replica"
	"parley.chat/spec"
)

const specBase = "https://parley.chat/spec/"

// component compiles a schema of federation.yaml.
func component(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	files := must(fs.Glob(spec.Files(), "schemas/*.json"))
	for _, f := range append(files, "federation.yaml", "openapi.yaml") {
		raw := must(fs.ReadFile(spec.Files(), f))
		var doc any
		if strings.HasSuffix(f, ".yaml") {
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
		} else {
			doc = must(jsonschema.UnmarshalJSON(bytes.NewReader(raw)))
		}
		if err := c.AddResource(specBase+f, doc); err != nil {
			t.Fatal(err)
		}
	}
	return must(c.Compile(specBase + "federation.yaml#/components/schemas/" + name))
}

func conforms(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := component(t, name).Validate(must(jsonschema.UnmarshalJSON(bytes.NewReader(body)))); err != nil {
		t.Errorf("%s: %v\n%.2000s", name, err, body)
	}
}

func TestBodies_AreWhatTheSpecificationSays(t *testing.T) {
	var bodies [][]byte
	var rng replica.Range
	var snap replica.Snapshot
	run(t, func(w *world) {
		b := w.remote("b.test")
		room := w.open("bob@b.test")
		w.tell(room, room.log[0].Event)
		w.wantAt(b, room, 0)
		w.say(room, 2)
		w.change(room, frame.TypeMemberAdd, alice, "carl@b.test")
		w.tell(room, w.append(room, frame.TypeMessage, "bob@b.test", message("of another server")))
		w.pass(time.Second)
		w.out.Lost()
		w.append(room, frame.TypeMessage, alice, message("told by its head"))
		w.pass(3 * time.Second)
		w.wantAt(b, room, 5)
		bodies = b.bodies
		after := int64(0)
		rng = must(w.out.Entries(t.Context(), "b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &after}))
		snap = must(w.out.Snapshot(t.Context(), "b.test", room.ref.ID))
	})
	if len(bodies) < 4 {
		t.Errorf("%d bodies", len(bodies))
	}
	for _, body := range bodies {
		conforms(t, "Transaction", body)
	}
	conforms(t, "Range", must(json.Marshal(rng)))
	conforms(t, "Snapshot", must(json.Marshal(snap)))
	conforms(t, "Taken", must(json.Marshal(replica.Taken{Results: []replica.Result{{ConversationID: rng.ConversationID, Seq: -1, Code: "no_member_here"}}})))
}
