// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-fed/httpsig"

	"parley.chat/protocol/id"
)

var update = flag.Bool("update", false, "write spec/vectors/federation/requests.json again")

const vectorFile = "../../spec/vectors/federation/requests.json"

type vectorFileForm struct {
	Description string            `json:"description"`
	Operation   string            `json:"operation"`
	Generator   string            `json:"generator"`
	Notes       map[string]noteOf `json:"notes"`
	Key         vectorKey         `json:"key"`
	Receiver    id.Server         `json:"receiver"`
	Tests       []vector          `json:"tests"`
}

type noteOf struct {
	BugType     string `json:"bugType"`
	Description string `json:"description"`
}

type vectorKey struct {
	Server     id.Server `json:"server"`
	KeyID      string    `json:"keyId"`
	PrivateKey string    `json:"privateKey"`
	PublicKey  string    `json:"publicKey"`
}

type vector struct {
	ID            string      `json:"id"`
	Comment       string      `json:"comment"`
	Flags         []string    `json:"flags"`
	Method        string      `json:"method"`
	Target        string      `json:"target"`
	Host          string      `json:"host"`
	Headers       [][2]string `json:"headers"`
	Body          string      `json:"body"`
	Now           int64       `json:"now"`
	SigningString string      `json:"signingString,omitempty"`
	Result        string      `json:"result"`
}

const vectorTime = 1795400000

// request is the vector as the receiver's net/http would hand it over.
func (v vector) request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequest(v.Method, "https://"+v.Host+v.Target, strings.NewReader(v.Body))
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Scheme, r.URL.Host = "", ""
	for _, h := range v.Headers {
		r.Header.Add(h[0], h[1])
	}
	return r.WithContext(t.Context())
}

func (v *vector) set(name, value string) {
	for i := range v.Headers {
		if v.Headers[i][0] == name {
			v.Headers[i][1] = value
			return
		}
	}
	v.Headers = append(v.Headers, [2]string{name, value})
}

func (v *vector) sign(t *testing.T, p pair, list string, created, expires int64) {
	t.Helper()
	r := v.request(t)
	r.Header.Del("Signature")
	forged{list: list, created: created, expires: expires}.sign(r, p)
	v.set("Signature", r.Header.Get("Signature"))
	if list == signedList {
		v.SigningString = signingString(r)
	}
}

// makeVectors changes one good request in one way each.
func makeVectors(t *testing.T) vectorFileForm {
	p := newPair("a1")
	out := vectorFileForm{
		Description: "Requests between servers, scheme cavage12-ed25519-v1. Operation verify: the receiver takes the request at the time now (Unix seconds) if and only if result is valid; each is looked at as the first one of its nonce. " +
			"privateKey is the seed; keys are hexadecimal. signingString is what the signature is over, where the one list of headers was signed. host is Host or :authority.",
		Operation: "verify", Generator: "go test ./federation/auth -run TestVectors_AreCurrent -update",
		Notes: map[string]noteOf{
			"Body":   {"TAMPERING", "A body is taken that the sender did not sign."},
			"List":   {"DOWNGRADE", "A signature over less than the list is taken, or the list is read otherwise than it was checked."},
			"Target": {"CONFUSION", "A request is taken for another host, path or server than it was signed for."},
			"Time":   {"REPLAY", "A request is taken outside its time."},
			"Text":   {"MALLEABILITY", "The same signature or nonce is taken in another spelling."},
			"Good":   {"INTEROPERABILITY", "A good request is refused."},
		},
		Key:      vectorKey{"a.example", p.id, hex.EncodeToString(p.key.Seed()), hex.EncodeToString(p.key.Public().(ed25519.PublicKey))},
		Receiver: "b.example",
	}
	add := func(name, flag, comment, result string, change func(v *vector)) {
		v := vector{ID: "request-" + name, Comment: comment, Flags: []string{flag}, Method: "POST", Target: "/federation/v1/ping", Host: "b.example", Body: "{}", Now: vectorTime, Result: result}
		v.Headers = [][2]string{{"Digest", digest([]byte(v.Body))}, {HeaderOrigin, "a.example"}, {HeaderDestination, "b.example"}, {HeaderNonce, "AAECAwQFBgcICQoLDA0ODw"}}
		v.sign(t, p, signedList, vectorTime, vectorTime+300)
		if change != nil {
			change(&v)
		}
		out.Tests = append(out.Tests, v)
	}
	again := func(v *vector) { v.sign(t, p, signedList, vectorTime, vectorTime+300) }
	add("good", "Good", "the example of the specification", "valid", nil)
	add("get", "Good", "no body, a query", "valid", func(v *vector) {
		v.Method, v.Target, v.Body = "GET", "/federation/v1/x?after=3&limit=50", ""
		v.set("Digest", digest(nil))
		again(v)
	})
	add("oldest", "Good", "created 300 seconds ago", "valid", func(v *vector) { v.Now = vectorTime + 300 })
	add("other-body", "Body", "another body under the signed digest", "invalid", func(v *vector) { v.Body = "{ }" })
	add("no-digest", "List", "digest is not in the list", "invalid", func(v *vector) {
		v.sign(t, p, strings.Replace(signedList, " digest", "", 1), vectorTime, vectorTime+300)
		v.SigningString = ""
	})
	add("space", "List", "a space after a comma", "invalid", func(v *vector) {
		v.set("Signature", strings.Replace(v.request(t).Header.Get("Signature"), ",headers", ", headers", 1))
	})
	add("twice", "List", "headers twice", "invalid", func(v *vector) {
		v.set("Signature", strings.Replace(v.request(t).Header.Get("Signature"), ",headers", `,headers="date",headers`, 1))
	})
	add("two-signatures", "List", "two Signature headers", "invalid", func(v *vector) { v.Headers = append(v.Headers, [2]string{"Signature", "x"}) })
	add("authorization", "List", "Authorization beside Signature", "invalid", func(v *vector) { v.set("Authorization", "Bearer x") })
	add("other-host", "Target", "sent to another host", "invalid", func(v *vector) { v.Host = "c.example" })
	add("other-destination", "Target", "for another server", "invalid", func(v *vector) { v.set(HeaderDestination, "c.example"); again(v) })
	add("other-origin", "Target", "the origin is not the key's server", "invalid", func(v *vector) {
		v.set(HeaderOrigin, "c.example")
		again(v)
		v.set("Signature", strings.Replace(v.request(t).Header.Get("Signature"), "c.example/", "a.example/", 1))
	})
	add("encoded-path", "Target", "a percent-encoded path", "invalid", func(v *vector) { v.Target = "/federation/v1/pin%67" })
	add("dots", "Target", "dot segments", "invalid", func(v *vector) { v.Target = "/federation/v1/../v1/ping"; again(v) })
	add("ahead", "Time", "created 31 seconds ahead", "invalid", func(v *vector) { v.Now = vectorTime - 31 })
	add("late", "Time", "301 seconds later", "invalid", func(v *vector) { v.Now = vectorTime + 301 })
	add("long", "Time", "expires 301 seconds after created", "invalid", func(v *vector) { v.sign(t, p, signedList, vectorTime, vectorTime+301) })
	add("respelt", "Text", "the unused bits of the signature's last character", "invalid", func(v *vector) {
		s := v.request(t).Header.Get("Signature")
		at := strings.LastIndex(s, "==") - 1
		v.set("Signature", s[:at]+string(s[at]+1)+s[at+1:])
	})
	add("nonce-respelt", "Text", "the unused bits of the nonce's last character", "invalid", func(v *vector) { v.set(HeaderNonce, "AAECAwQFBgcICQoLDA0ODx"); again(v) })
	return out
}

func TestVectors_AreCurrent(t *testing.T) {
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(makeVectors(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(vectorFile)
	if err != nil || !bytes.Equal(have, want.Bytes()) {
		t.Errorf("%s is not current; run go test ./federation/auth -run Vectors -update (%v)", vectorFile, err)
	}
}

// The vectors are made by hand; the wrapper takes and refuses them as they say, and the library signs the same bytes.
func TestVectors_AreAsTheySay(t *testing.T) {
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFileForm
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	p := newPair("a1")
	keys := book{string(file.Key.Server) + "/" + file.Key.KeyID: p.key.Public().(ed25519.PublicKey)}
	for _, v := range file.Tests {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Unix(v.Now, 0)))
			receiver := New(Options{Self: file.Receiver, Keys: keys, Replays: &nonces{seen: map[string]bool{}}})
			if _, err := receiver.Verify(v.request(t)); (err == nil) != (v.Result == "valid") {
				t.Errorf("%s: %v, want %s", v.ID, err, v.Result)
			}
			if v.ID == "request-good" {
				sameBytes(t, v, p)
			}
		})
	}
}

func sameBytes(t *testing.T, v vector, p pair) {
	r := v.request(t)
	r.Header.Del("Signature")
	r.Header.Del("Digest")
	r.Header.Set("Host", v.Host)
	s, _, err := httpsig.NewSigner([]httpsig.Algorithm{httpsig.ED25519}, httpsig.DigestSha256, strings.Split(signedList, " "), httpsig.Signature, 300)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SignRequest(p.key, "a.example/"+p.id, r, []byte(v.Body)); err != nil {
		t.Fatal(err)
	}
	if got, want := r.Header.Get("Signature"), v.request(t).Header.Get("Signature"); got != want {
		t.Errorf("the library signs\n%s\nthe vector has\n%s", got, want)
	}
}
