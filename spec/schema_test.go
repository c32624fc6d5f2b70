// SPDX-License-Identifier: Apache-2.0

package spec_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"parley.chat/internal/specguard"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/spec"
)

const base = "https://parley.chat/spec/"

func compiler(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	c, err := specguard.Compiler(spec.Files())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// schemaOf compiles schemas/<name>.json, or else the component of openapi.yaml with the name.
func schemaOf(t *testing.T, c *jsonschema.Compiler, name string) *jsonschema.Schema {
	t.Helper()
	address := base + "schemas/" + name + ".json"
	if _, err := fs.Stat(spec.Files(), "schemas/"+name+".json"); err != nil {
		u := url.URL{Fragment: "/components/schemas/" + name}
		address = base + "openapi.yaml" + u.String()
	}
	s, err := c.Compile(address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemas_CompileAndHaveTheirAddress(t *testing.T) {
	c := compiler(t)
	for _, name := range glob(t, "schemas/*.json") {
		if _, err := c.Compile(base + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var head struct {
			ID          string `json:"$id"`
			Schema      string `json:"$schema"`
			Title       string `json:"title"`
			Description string `json:"description"`
		}
		if err := json.Unmarshal(read(t, name), &head); err != nil {
			t.Fatal(err)
		}
		if head.ID != base+name || !strings.Contains(head.Schema, "2020-12") || head.Title == "" || head.Description == "" {
			t.Errorf("%s has the head %+v", name, head)
		}
	}
}

func TestExamples_ValidOnesPassAndInvalidOnesFail(t *testing.T) {
	c := compiler(t)
	for _, dir := range glob(t, "examples/*") {
		s := schemaOf(t, c, path.Base(dir))
		counts := map[string]int{}
		for _, name := range glob(t, dir+"/*.json") {
			kind, _, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".json"), "-")
			counts[kind]++
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, name)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			switch err := s.Validate(v); {
			case kind == "valid" && err != nil:
				t.Errorf("%s: %v", name, err)
			case kind == "invalid" && err == nil:
				t.Errorf("%s passes", name)
			case kind != "valid" && kind != "invalid":
				t.Errorf("%s is neither valid nor invalid by its name", name)
			}
		}
		if counts["valid"] == 0 || counts["invalid"] == 0 {
			t.Errorf("%s has %v, want both kinds", dir, counts)
		}
	}
}

func TestExamples_EverySchemaHasSome(t *testing.T) {
	for _, name := range glob(t, "schemas/*.json") {
		schema := strings.TrimSuffix(path.Base(name), ".json")
		if _, err := fs.Stat(spec.Files(), "examples/"+schema); err != nil && schema != "ids" {
			t.Errorf("no examples of %s", schema)
		}
	}
}

func TestExamples_ObjectsOfTheLogAreInCanonicalEncoding(t *testing.T) {
	for _, name := range glob(t, "examples/log.*/valid*.json") {
		raw := bytes.TrimSpace(read(t, name))
		if strings.Contains(name, "checkpoint") { // Shown indented: the signatures are not part of what is hashed.
			continue
		}
		if err := canonical.Check(raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// asyncAPI is the part of asyncapi.yaml that must agree with the schemas.
type asyncAPI struct {
	Channels map[string]struct {
		Messages map[string]any `yaml:"messages"`
	} `yaml:"channels"`
	Operations map[string]struct {
		Action   string              `yaml:"action"`
		Messages []map[string]string `yaml:"messages"`
	} `yaml:"operations"`
	Components struct {
		Messages map[string]struct {
			Name     string            `yaml:"name"`
			Payload  map[string]string `yaml:"payload"`
			Errors   []string          `yaml:"x-errors"`
			Examples []struct {
				Payload any `yaml:"payload"`
			} `yaml:"examples"`
		} `yaml:"messages"`
	} `yaml:"components"`
}

func TestAsyncAPI_MessagesAreTheFrameSchemas(t *testing.T) {
	var doc asyncAPI
	if err := yaml.Unmarshal(read(t, "asyncapi.yaml"), &doc); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range append(glob(t, "schemas/client.*.json"), glob(t, "schemas/server.*.json")...) {
		want = append(want, strings.TrimSuffix(path.Base(name), ".json"))
	}
	slices.Sort(want)
	c := compiler(t)
	var got, inChannel, inOperations []string
	for key, m := range doc.Components.Messages {
		got = append(got, key)
		if _, typ, _ := strings.Cut(key, "."); m.Name != typ || m.Payload["$ref"] != "schemas/"+key+".json" {
			t.Errorf("%s has name %s and payload %v", key, m.Name, m.Payload)
		}
		for _, code := range m.Errors {
			if !knownCode(code) {
				t.Errorf("%s lists %s, which is not in errors.yaml", key, code)
			}
		}
		if len(m.Examples) == 0 {
			t.Errorf("%s has no example", key)
		}
		for _, e := range m.Examples {
			if err := schemaOf(t, c, key).Validate(e.Payload); err != nil {
				t.Errorf("example of %s: %v", key, err)
			}
		}
	}
	for key := range doc.Channels["socket"].Messages {
		inChannel = append(inChannel, key)
	}
	for _, o := range doc.Operations {
		for _, m := range o.Messages {
			key := strings.TrimPrefix(m["$ref"], "#/channels/socket/messages/")
			inOperations = append(inOperations, key)
			if want := map[string]string{"receive": "client", "send": "server"}[o.Action]; !strings.HasPrefix(key, want+".") {
				t.Errorf("%s is in the operation that the server does as %s", key, o.Action)
			}
		}
	}
	for what, list := range map[string][]string{"components": got, "channel": inChannel, "operations": inOperations} {
		slices.Sort(list)
		if diff := cmp.Diff(want, list); diff != "" {
			t.Errorf("%s differ from schemas/ (-schemas +asyncapi):\n%s", what, diff)
		}
	}
}

func TestSchemas_HaveExactlyTheMembersOfTheGoTypes(t *testing.T) {
	c := compiler(t)
	for name, v := range map[string]any{
		"event": frame.Event{}, "change": frame.Change{}, "conversation": frame.Conversation{}, "gap": frame.Gap{},
		"reaction": frame.Reaction{}, "EditMessage": rest.EditMessage{}, "Edits": rest.Edits{}, "Version": rest.Version{},
		"Reactions": rest.Reactions{}, "Reactor": rest.Reactor{},
		"receipt": frame.Receipt{}, "sync": frame.Sync{}, "send": frame.Send{}, "ack": frame.Ack{}, "error": frame.Error{},
		"problem": rest.Problem{}, "Register": rest.Register{}, "Login": rest.Login{}, "Refresh": rest.Refresh{},
		"Session": rest.Session{}, "Device": rest.Device{}, "Devices": rest.Devices{}, "ChangePassword": rest.ChangePassword{},
		"Deactivate": rest.Deactivate{}, "Profile": rest.Profile{}, "EditProfile": rest.EditProfile{}, "Ticket": rest.Ticket{},
		"CreateConversation": rest.CreateConversation{}, "EditConversation": rest.EditConversation{}, "AddMembers": rest.AddMembers{}, "Acknowledge": rest.Acknowledge{},
		"EditMember": rest.EditMember{}, "Member": rest.Member{}, "Members": rest.Members{}, "Conversations": rest.Conversations{},
		"Messages": rest.Messages{}, "Found": rest.Found{}, "Discovery": rest.Discovery{}, "Software": rest.Software{},
		"prefs": frame.Prefs{}, "request": frame.Request{}, "accountdata": frame.AccountData{}, "Settings": rest.Settings{}, "EditSettings": rest.EditSettings{},
		"Blocks": rest.Blocks{}, "Block": rest.Block{}, "EditPrefs": rest.EditPrefs{}, "MessageReceipts": rest.MessageReceipts{}, "MessageReceipt": rest.MessageReceipt{}, "DataKeys": rest.Data{},
		"TransferOwner": rest.TransferOwner{}, "MoveHub": rest.MoveHub{}, "Ban": rest.Ban{}, "Bans": rest.Bans{}, "CreateLink": rest.CreateLink{}, "Link": rest.Link{},
		"Links": rest.Links{}, "LinkToken": rest.LinkToken{}, "LinkPreview": rest.LinkPreview{}, "JoinRequested": rest.JoinRequested{},
		"JoinRequest": rest.JoinRequest{}, "JoinRequests": rest.JoinRequests{},
		"presence": frame.Presence{}, "SetPresence": rest.SetPresence{},
	} {
		s := schemaOf(t, c, name)
		for s.Ref != nil && len(s.Properties) == 0 {
			s = s.Ref
		}
		closed := s.AdditionalProperties == false
		var fields, properties []string
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			tag, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if tag == "-" {
				continue
			}
			fields = append(fields, tag)
			if always := options == ""; closed && always != slices.Contains(s.Required, tag) {
				t.Errorf("%s: the Go type always sends %s: %v, the schema requires it: %v", name, tag, always, !always)
			}
		}
		for p := range s.Properties {
			properties = append(properties, p)
		}
		slices.Sort(fields)
		slices.Sort(properties)
		if diff := cmp.Diff(fields, properties); diff != "" {
			t.Errorf("%s (-go +schema):\n%s", name, diff)
		}
	}
}
