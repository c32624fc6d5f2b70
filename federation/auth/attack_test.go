// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-fed/httpsig"

	"parley.chat/protocol/fault"
)

// attack changes a good request. Each is one that go-fed/httpsig accepts, so that only the wrapper stands in the way;
// where the library refuses too, `both` says so.
type attack struct {
	name   string
	method string // POST if empty
	target string // /federation/v1/ping if empty
	change func(r *room, in *http.Request)
	both   bool
}

// attacks are the rows of the table of what the library lets through, by their numbers, and the cases 1 to 6 of the suite.
func attacks() []attack {
	return append(append(bodyAttacks(), listAttacks()...), append(pathAttacks(), timeAttacks()...)...)
}

func bodyAttacks() []attack {
	return []attack{
		{name: "1 another body under the signed digest", change: func(_ *room, in *http.Request) { setBody(in, `{"x":1}`) }},
		{name: "1 a body where none was", method: "GET", change: func(_ *room, in *http.Request) { setBody(in, `{}`) }},
		{name: "1 the digest in another algorithm before the one", change: func(r *room, in *http.Request) {
			in.Header.Set("Digest", "MD5=xx,"+in.Header.Get("Digest"))
			forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
		}},
		{name: "5 two Signature headers", change: func(_ *room, in *http.Request) {
			in.Header.Add("Signature", `keyId="x",signature="y"`)
		}},
		{name: "5 two Digest headers, both signed", change: func(r *room, in *http.Request) {
			in.Header.Add("Digest", "SHA-256=x")
			in.Header["Digest"] = []string{in.Header["Digest"][0] + ", SHA-256=x"}
			forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
			in.Header["Digest"] = strings.Split(in.Header.Get("Digest"), ", ")
		}},
		{name: "both kinds of signature", change: func(_ *room, in *http.Request) { in.Header.Set("Signature-Input", "sig1=()") }},
		{name: "Authorization beside Signature", change: func(_ *room, in *http.Request) { in.Header.Set("Authorization", "Bearer x") }},
		{name: "the signature in Authorization", change: func(_ *room, in *http.Request) {
			in.Header.Set("Authorization", "Signature "+in.Header.Get("Signature"))
			in.Header.Del("Signature")
		}},
		{name: "an encoded body", change: func(_ *room, in *http.Request) { in.Header.Set("Content-Encoding", "gzip") }},
	}
}

func listAttacks() []attack {
	whole := forged{list: signedList, created: now(), expires: now() + 60}
	return []attack{
		{name: "2 signed a year ago over the date only, for another path", target: "/federation/v1/purge", change: func(r *room, in *http.Request) {
			in.Header.Set("Date", "Sat, 01 Nov 2025 00:00:00 GMT")
			sig := ed25519.Sign(r.key.key, []byte("date: "+in.Header.Get("Date")))
			in.Header.Set("Signature", `keyId="`+string(them)+"/"+r.key.id+`",algorithm="hs2019",headers="date",signature="`+base64.StdEncoding.EncodeToString(sig)+`"`)
		}},
		{name: "2 without digest in the list", change: func(r *room, in *http.Request) {
			forged{list: strings.Replace(signedList, " digest", "", 1), created: now(), expires: now() + 60}.sign(in, r.key)
		}},
		{name: "2 in another order", change: func(r *room, in *http.Request) {
			forged{list: strings.Replace(signedList, "(request-target) host", "host (request-target)", 1), created: now(), expires: now() + 60}.sign(in, r.key)
		}},
		{name: "3 a space after the comma hides the list from the library", change: func(r *room, in *http.Request) {
			in.Header.Set("Date", "Sat, 01 Nov 2025 00:00:00 GMT")
			sig := ed25519.Sign(r.key.key, []byte("date: "+in.Header.Get("Date")))
			whole.sign(in, r.key)
			head, _, _ := strings.Cut(in.Header.Get("Signature"), ",headers")
			in.Header.Set("Signature", head+`, headers="`+signedList+`",signature="`+base64.StdEncoding.EncodeToString(sig)+`"`)
		}},
		{name: "4 headers given twice", change: func(r *room, in *http.Request) {
			in.Header.Set("Signature", strings.Replace(in.Header.Get("Signature"), `,headers=`, `,headers="date",headers=`, 1))
		}},
		{name: "4 a parameter nobody knows in front", change: func(r *room, in *http.Request) {
			in.Header.Set("Signature", `x="y",`+in.Header.Get("Signature"))
		}},
		{name: "4 a parameter nobody knows", change: func(r *room, in *http.Request) {
			in.Header.Set("Signature", in.Header.Get("Signature")+`,x="y"`)
		}},
		{name: "9 the signature spelt otherwise", change: func(r *room, in *http.Request) {
			s := in.Header.Get("Signature")
			at := strings.LastIndex(s, `==`) - 1
			next := string(rune(s[at] + 1)) // The last character has four unused bits.
			in.Header.Set("Signature", s[:at]+next+s[at+1:])
		}},
		{name: "9 a line feed in the signature", change: func(r *room, in *http.Request) {
			s := in.Header.Get("Signature")
			in.Header.Set("Signature", s[:len(s)-20]+"\n"+s[len(s)-20:])
		}},
	}
}

func pathAttacks() []attack {
	return []attack{
		{name: "6 %3F where ? was signed", target: "/fed/x?admin=1", change: retarget("/fed/x%3Fadmin=1")},
		{name: "6 %2F where / was signed", target: "/a/b", change: retarget("/a%2Fb")},
		{name: "6 %62 where b was signed", target: "/a/b", change: retarget("/a/%62")},
		{name: "6 ? without a query", target: "/a/b", change: retarget("/a/b?")},
		{name: "7 %0A smuggles lines into what is signed", target: "/a", change: func(r *room, in *http.Request) {
			list := "(request-target) (created) (expires) digest x-parley-origin x-parley-destination x-parley-nonce"
			in.URL.Path, in.URL.RawPath = "/a\nhost: b.test", "/a%0Ahost:%20b.test"
			in.Host = "c.test"
			created := now()
			in.RequestURI = ""
			signWithPath(in, r.key, list, created)
		}},
		{name: "dot segments", target: "/a/b/c", change: func(r *room, in *http.Request) {
			in.URL.Path = "/a/../c"
			forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
		}},
		{name: "a method in other letters", change: func(_ *room, in *http.Request) { in.Method = "pOST" }},
		{name: "8 the host map says us and the router another", change: func(_ *room, in *http.Request) {
			in.Host, in.Header["Host"] = "c.test", []string{string(us)}
		}},
		{name: "8 the router says us and the host map another", change: func(r *room, in *http.Request) {
			in.Host = "c.test"
			forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
			in.Host, in.Header["Host"] = string(us), []string{"c.test"}
		}},
		{name: "8 for another host, with its name signed", change: func(r *room, in *http.Request) {
			in.Host = "c.test"
			forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
		}},
		{name: "8 signed for us, and a host map that says another", both: true, change: func(_ *room, in *http.Request) {
			in.Header["Host"] = []string{"c.test"}
		}},
		{name: "for another server, with its name signed", change: func(r *room, in *http.Request) {
			in.Header.Set(HeaderDestination, "c.test")
			forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
		}},
		{name: "from another origin than the key's", change: func(r *room, in *http.Request) {
			f := forged{list: signedList, created: now(), expires: now() + 60}
			f.sign(in, r.key)
			in.Header.Set(HeaderOrigin, "c.test")
			s := in.Header.Get("Signature")
			f.sign(in, r.key)
			keep := strings.Index(in.Header.Get("Signature"), ",algorithm")
			in.Header.Set("Signature", s[:strings.Index(s, ",algorithm")]+in.Header.Get("Signature")[keep:])
		}},
		{name: "an address as origin", change: func(r *room, in *http.Request) {
			in.Header.Set(HeaderOrigin, "127.0.0.1")
			r.keys["127.0.0.1/"+r.key.id] = r.key.key.Public().(ed25519.PublicKey)
			forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
		}},
		{name: "a short nonce", change: func(r *room, in *http.Request) {
			in.Header.Set(HeaderNonce, "AAAA")
			forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
		}},
		{name: "a nonce spelt otherwise", change: func(r *room, in *http.Request) {
			in.Header.Set(HeaderNonce, "AAAAAAAAAAAAAAAAAAAAAB")
			forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
		}},
	}
}

func timeAttacks() []attack {
	at := func(created, expires int64) func(*room, *http.Request) {
		return func(r *room, in *http.Request) {
			forged{list: signedList, created: now() + created, expires: now() + expires}.sign(in, r.key)
		}
	}
	return []attack{
		{name: "6 created 31 seconds ahead", change: at(31, 60), both: true},
		{name: "6 created 301 seconds ago", change: at(-301, 5)},
		{name: "12 expires in ten years", change: at(0, 315360000)},
		{name: "12 expires 301 seconds after created", change: at(-10, 291)},
		{name: "6 expired 2 seconds ago, within the library's tolerance", change: at(-100, -2)},
		{name: "6 expires when created", change: at(0, 0)},
		{name: "6 expires before created", change: at(5, 3)},
	}
}

func retarget(raw string) func(*room, *http.Request) {
	return func(_ *room, in *http.Request) {
		u, err := in.URL.Parse(raw)
		if err != nil {
			panic(err)
		}
		in.URL, in.RequestURI = u, raw
	}
}

// signWithPath signs as the library does, over the decoded path.
func signWithPath(in *http.Request, p pair, list string, created int64) {
	keep := in.URL.RawPath
	in.URL.RawPath = ""
	c := in.Clone(in.Context())
	c.Header.Del("Signature")
	s, _, _ := httpsig.NewSigner([]httpsig.Algorithm{httpsig.ED25519}, httpsig.DigestSha256, strings.Split(list, " "), httpsig.Signature, 60)
	if err := s.SignRequest(p.key, in.Header.Get(HeaderOrigin)+"/"+p.id, c, nil); err != nil {
		panic(err)
	}
	in.Header.Set("Signature", c.Header.Get("Signature"))
	in.URL.RawPath = keep
}

func TestVerify_RefusesWhatTheLibraryLetsThrough(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			r := newRoom()
			in := a.request(t, r)
			if accepts := r.libraryAccepts(in); accepts == a.both {
				t.Errorf("the library's own verdict is %t: the attack is not what it says", accepts)
			}
			in = a.request(t, r) // The library changed its header map.
			got, err := r.receiver.Verify(in)
			if !fault.Is(err, fault.SignatureInvalid) || got.Body != nil {
				t.Errorf("got %+v and %v", got, err)
			}
		})
	}
}

func (a attack) request(t *testing.T, r *room) *http.Request {
	method, target, body := a.method, a.target, `{"a":1}`
	if method == "" {
		method = "POST"
	}
	if method == "GET" {
		body = ""
	}
	if target == "" {
		target = "/federation/v1/ping"
	}
	in := r.signed(t, method, target, body)
	if _, err := r.node().checked(in); err != nil {
		t.Fatalf("the request is bad before the attack: %v", err)
	}
	setBody(in, body)
	a.change(r, in)
	return in
}

// checked is Verify without keeping the nonce.
func (c *Cavage) checked(in *http.Request) (Verified, error) {
	o := c.o
	o.Replays = &nonces{seen: map[string]bool{}}
	return New(o).Verify(in)
}

func TestVerify_KeyConfusion(t *testing.T) {
	r := newRoom()
	public := []byte(r.key.key.Public().(ed25519.PublicKey))
	in := r.signed(t, "POST", "/federation/v1/ping", `{}`)
	forged{list: signedList, created: now(), expires: now() + 60}.sign(in, r.key)
	head, _, _ := strings.Cut(in.Header.Get("Signature"), `signature="`)
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(signingString(in)))
	in.Header.Set("Signature", head+`signature="`+base64.StdEncoding.EncodeToString(mac.Sum(nil))+`"`)
	v, err := httpsig.NewVerifier(in.Clone(t.Context()))
	if err != nil || v.Verify(public, httpsig.HMAC_SHA256) != nil {
		t.Fatalf("10: the library refuses an HMAC with the public key as its secret: %v", err)
	}
	if _, err := r.receiver.Verify(in); !fault.Is(err, fault.SignatureInvalid) {
		t.Errorf("10: an HMAC with the public key as its secret: %v", err)
	}
	for _, wrong := range []ed25519.PublicKey{{}, public[:31], append(public[:32:32], 0)} {
		r.keys[string(them)+"/"+r.key.id] = wrong
		if _, err := r.receiver.Verify(r.signed(t, "POST", "/x", "")); !fault.Is(err, fault.SignatureInvalid) {
			t.Errorf("11: a key of %d bytes: %v", len(wrong), err)
		}
	}
	other := newPair("b1")
	r.keys[string(them)+"/"+r.key.id] = other.key.Public().(ed25519.PublicKey)
	if _, err := r.receiver.Verify(r.signed(t, "POST", "/x", "")); !fault.Is(err, fault.SignatureInvalid) {
		t.Errorf("a signature of another key: %v", err)
	}
	delete(r.keys, string(them)+"/"+r.key.id)
	if _, err := r.receiver.Verify(r.signed(t, "POST", "/x", "")); !fault.Is(err, fault.SignatureInvalid) {
		t.Errorf("a key nobody knows: %v", err)
	}
}

func TestVerify_ARequestCountsOnceOnAllNodes(t *testing.T) {
	r := newRoom()
	second := r.node()
	in := r.signed(t, "POST", "/x", "{}")
	if _, err := r.receiver.Verify(in); err != nil {
		t.Fatal(err)
	}
	for name, node := range map[string]*Cavage{"the same node": r.receiver, "another node": second} {
		setBody(in, "{}")
		if !r.libraryAccepts(in) {
			t.Fatal("the library refuses the replay")
		}
		if _, err := node.Verify(in); !fault.Is(err, fault.SignatureInvalid) {
			t.Errorf("%s takes it again: %v", name, err)
		}
	}
}

func TestVerify_AnUnverifiedRequestUsesUpNoNonce(t *testing.T) {
	r := newRoom()
	in := r.signed(t, "POST", "/x", "{}")
	setBody(in, "{ }")
	if _, err := r.receiver.Verify(in); err == nil {
		t.Fatal("another body was taken")
	}
	if len(r.nonces.seen) != 0 {
		t.Error("a request that does not verify took the nonce of a good one")
	}
	setBody(in, "{}")
	if _, err := r.receiver.Verify(in); err != nil {
		t.Error(err)
	}
}

func TestSign_ThePitfallsOfTheLibrary(t *testing.T) {
	r := newRoom()
	first := r.signed(t, "POST", "/x", "{}")
	if err := r.sender.Sign(first, us, []byte("{}")); err == nil {
		t.Error("14: a request was signed twice")
	}
	if _, algorithm, err := httpsig.NewSigner([]httpsig.Algorithm{"ed448"}, httpsig.DigestSha256, nil, httpsig.Signature, 0); err != nil || algorithm == "ed448" {
		t.Errorf("13: the library no longer falls back silently: %q %v", algorithm, err)
	}
	again := r.signed(t, "POST", "/x", "{}")
	if first.Header.Get(HeaderNonce) == again.Header.Get(HeaderNonce) {
		t.Error("two requests share a nonce")
	}
	if again.Header["Host"] != nil {
		t.Error("15: Host is left in the header map")
	}
	for _, target := range []string{"/a%2Fb", "/a@b", "/a//b", "/a?x=%41", "/a/../b", "/", "/a?"} {
		out, err := http.NewRequest("POST", "https://b.test"+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.sender.Sign(out, us, nil) == nil {
			t.Errorf("%s was signed", target)
		}
	}
	empty := New(Options{Self: them, Signer: pair{}})
	out, _ := http.NewRequest("POST", "https://b.test/x", nil)
	if empty.Sign(out, us, nil) == nil {
		t.Error("a request was signed without a key")
	}
}

func TestVerify_TakesWhatIsWithinTheWindow(t *testing.T) {
	for _, at := range [][2]int64{{0, 300}, {-299, 1}, {8, 200}, {-5, 5}} {
		r := newRoom()
		in := r.signed(t, "GET", "/federation/v1/x?after=3&limit=50", "")
		forged{list: signedList, created: now() + at[0], expires: now() + at[1]}.sign(in, r.key)
		got, err := r.receiver.Verify(in)
		if err != nil || got.Origin != them || got.KeyID != r.key.id || len(got.Body) != 0 {
			t.Errorf("%v: %+v, %v", at, got, err)
		}
	}
}

// signingString is the string of the signed list, by hand.
func signingString(in *http.Request) string {
	_, rest, _ := strings.Cut(in.Header.Get("Signature"), "created=")
	created, rest, _ := strings.Cut(rest, ",expires=")
	expires, _, _ := strings.Cut(rest, ",")
	return "(request-target): " + strings.ToLower(in.Method) + " " + in.URL.RequestURI() + "\nhost: " + in.Host +
		"\n(created): " + created + "\n(expires): " + expires + "\ndigest: " + in.Header.Get("Digest") +
		"\nx-parley-origin: " + in.Header.Get(HeaderOrigin) + "\nx-parley-destination: " + in.Header.Get(HeaderDestination) +
		"\nx-parley-nonce: " + in.Header.Get(HeaderNonce)
}

func TestSigningString_OfTheLibraryIsOurs(t *testing.T) {
	r := newRoom()
	in := r.signed(t, "PUT", "/federation/v1/x/y?a=b", "body")
	m := signaturePattern.FindStringSubmatch(in.Header.Get("Signature"))
	if m == nil {
		t.Fatalf("what the library writes has not the one form: %s", in.Header.Get("Signature"))
	}
	sig, err := base64.StdEncoding.DecodeString(m[5])
	if err != nil || !ed25519.Verify(r.key.key.Public().(ed25519.PublicKey), []byte(signingString(in)), sig) {
		t.Errorf("the signature is over another string: %v", err)
	}
	if d := seconds(m[4]).Sub(seconds(m[3])); d != 5*time.Minute {
		t.Errorf("a signature lives %s", d)
	}
}
