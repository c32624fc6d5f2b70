// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

func signingCases(a *area) {
	a.add("FED-AUTH-NONE", "a request without a signature is refused", "FED-AUTH-1 FED-AUTH-10", authNone, slow(time.Minute))
	a.add("FED-AUTH-EACH", "each header of a signature is there exactly once, and none of another scheme", "FED-AUTH-2 FED-AUTH-10", authEach, slow(time.Minute))
	a.add("FED-AUTH-HOST", "a request for another host is refused", "FED-AUTH-3", authHost)
	a.add("FED-AUTH-HTTP2", "in HTTP/2 there is one host", "FED-AUTH-3", authHTTP2)
	a.add("FED-AUTH-TARGET", "paths and queries that could be spelt otherwise are refused", "FED-AUTH-4", authTarget)
	a.add("FED-AUTH-BODY", "another body than the signed one is refused", "FED-AUTH-5", authBody)
	a.add("FED-AUTH-TIME", "a signature from too far ahead or behind, or for too long, is refused", "FED-AUTH-6", authTime)
	a.add("FED-AUTH-REPLAY", "a nonce is taken once, and only with a good signature", "FED-AUTH-7", authReplay)
	a.add("FED-AUTH-LIST", "a signature over less, more or another order is refused", "FED-AUTH-9", authList)
	a.add("FED-AUTH-SPELT", "a Signature header in another spelling is refused", "FED-AUTH-9", authSpelt, slow(time.Minute))
	a.add("FED-AUTH-WHO", "a key of one server signs nothing for another", "FED-AUTH-9", authWho)
	a.add("FED-AUTH-ALGORITHM", "the algorithm is not chosen by the request", "FED-AUTH-9", authAlgorithm)
}

var signatureHeaders = []string{"Signature", "Digest", "X-Parley-Origin", "X-Parley-Destination", "X-Parley-Nonce"}

func authNone(t *suite.T) {
	p := newPeer(t)
	p.pings()
	p.spoilt("no header of a signature", func(r *mock.Request) { r.Header = r.Header[len(r.Header)-1:] })
	for _, name := range signatureHeaders {
		p.spoilt("no "+name, func(r *mock.Request) { r.Drop(name) })
	}
	p.spoilt("a signature by nobody", func(r *mock.Request) { r.Set("Signature", "") })
	p.unsigned("a token instead of a signature", func() *mock.Request {
		return &mock.Request{Method: "POST", Target: mock.PingPath, Host: t.Env.ServerName(), Body: []byte("{}"), Header: [][2]string{{"Authorization", "Bearer x"}}}
	})
	p.done()
}

func authEach(t *suite.T) {
	p := newPeer(t)
	p.pings()
	for _, name := range signatureHeaders {
		p.spoilt("two of "+name, func(r *mock.Request) { r.Add(name, r.Get(name)) })
		p.spoilt("an empty one beside "+name, func(r *mock.Request) { r.Add(name, "") })
	}
	p.spoilt("Authorization beside it", func(r *mock.Request) {
		r.Add("Authorization", "Signature "+r.Get("Signature"))
	})
	p.spoilt("Signature-Input beside it", func(r *mock.Request) {
		r.Add("Signature-Input", `sig1=("@method" "@target-uri");created=1795400000;keyid="a"`)
	})
	p.spoilt("Content-Encoding", func(r *mock.Request) { r.Add("Content-Encoding", "identity") })
	p.done()
}

// wantNoPong wants anything but an answer of the operation: what is no HTTP is refused before it is a request.
func wantNoPong(t *suite.T, a *mock.Answer, what string) {
	t.Expect(a.Status >= 400 && a.Status < 500, "%s: status %d, want a refusal", what, a.Status)
}

func authHost(t *suite.T) {
	p := newPeer(t)
	p.pings()
	us := t.Env.ServerName()
	for _, host := range []string{"other.example", us + ":9", strings.ToUpper(us), us + ".", "localhost"} {
		p.spoilt("sent with the host "+host, func(r *mock.Request) { r.Host = host })
		p.signedWith("signed for the host "+host, func(s *mock.Signed) { s.Host = host })
	}
	for _, host := range []string{us, "other.example"} {
		a := p.send(func() *mock.Request {
			r := p.ping()
			r.Add("Host", host)
			return r
		})
		wantNoPong(t, a, "a second Host header with "+host)
	}
	p.done()
}

func authHTTP2(t *suite.T) {
	if t.Env.Mock.Way.TLS == nil {
		t.Impossible("needs an https address of the server for servers: --federation")
	}
	p := newPeer(t)
	p.pings()
	us := t.Env.ServerName()
	for _, c := range []struct{ signedFor, authority, host string }{
		{us, us, ""}, {us, "other.example", us}, {"other.example", us, "other.example"}, {us, us, "other.example"}, {"other.example", "other.example", us},
	} {
		s := p.Signed()
		s.Host = c.signedFor
		a, err := t.Env.Mock.Way.SendHTTP2(t.Context(), s.Sign("POST", mock.PingPath, []byte("{}")), c.authority, c.host)
		what := fmt.Sprintf("HTTP/2, signed for %s, :authority %s, host %q", c.signedFor, c.authority, c.host)
		isGood := c.authority == us && c.host == ""
		switch {
		case errors.Is(err, mock.ErrReset):
			t.Expect(!isGood, "%s: %v", what, err)
		case err != nil:
			t.Fail("%s: %v", what, err)
		default:
			t.Expect(strings.Contains(string(a.Body), `"serverName"`) == isGood, "%s: the answer is %.200s", what, a.Body)
		}
	}
	p.done()
}

func authTarget(t *suite.T) {
	p := newPeer(t)
	p.pings()
	for _, target := range []string{
		"/federation/v1/%70ing", "/federation/v1%2Fping", "/federation/v1/ping%3Fa=1", "/federation/v1/ping%0Ahost:%20other.example",
		"/federation/v1/./ping", "/federation/v1/../v1/ping", "/federation/v1//ping", "//federation/v1/ping", "/federation/v1/ping/", "/federation/v1/ping?",
		"/federation/v1/ping?a=%31", "/federation/v1/ping?a=b+c", "/federation/v1/ping;a=1",
	} {
		a := p.send(func() *mock.Request { return p.Signed().Sign("POST", target, []byte("{}")) })
		wantNoPong(t, a, "the target "+target)
	}
	for signed, sent := range map[string]string{"/federation/v1/ping?a=1": "/federation/v1/ping%3Fa=1", mock.PingPath: "/federation/v1%2Fping", "/federation/v1/Ping": mock.PingPath} {
		a := p.send(func() *mock.Request {
			r := p.Signed().Sign("POST", signed, []byte("{}"))
			r.Target = sent
			return r
		})
		wantNoPong(t, a, sent+", signed as "+signed)
	}
	p.spoilt("a query that was not signed", func(r *mock.Request) { r.Target += "?a=1" })
	for _, method := range []string{"PATCH", "OPTIONS", "post", "GET"} {
		a := p.send(func() *mock.Request { return p.Signed().Sign(method, mock.PingPath, []byte("{}")) })
		wantNoPong(t, a, "the method "+method)
	}
	p.done()
}

func authBody(t *suite.T) {
	p := newPeer(t)
	p.pings()
	p.spoilt("another body", func(r *mock.Request) { r.Body = []byte(`{"a":1}`) })
	p.spoilt("no body", func(r *mock.Request) { r.Body = nil })
	p.spoilt("another digest beside another body", func(r *mock.Request) {
		r.Body = []byte(`{"a":1}`)
		r.Set("Digest", mock.Digest(r.Body))
	})
	sum := sha256.Sum256([]byte("{}"))
	long := sha512.Sum512([]byte("{}"))
	text := base64.StdEncoding.EncodeToString(sum[:])
	for what, digest := range map[string]string{
		"a digest of another body": mock.Digest([]byte("[]")), "a digest by SHA-512": "SHA-512=" + base64.StdEncoding.EncodeToString(long[:]),
		"a name in lower case": "sha-256=" + text, "no name": text, "two digests": "SHA-256=" + text + ",SHA-256=" + text,
		"base64url": "SHA-256=" + base64.URLEncoding.EncodeToString(sum[:]), "no padding": "SHA-256=" + strings.TrimRight(text, "="), "nothing": "SHA-256=",
	} {
		p.signedWith("Digest with "+what, func(s *mock.Signed) { s.Digest = digest })
	}
	p.done()
}

func authTime(t *suite.T) {
	p := newPeer(t)
	p.pings()
	for what, c := range map[string]struct {
		created, life int64
		good          bool
	}{
		"created a minute ahead":                 {60, 300, false},
		"created 310 seconds ago":                {-310, 300, false},
		"created 310 seconds ago, ends later":    {-310, 400, false},
		"created 280 seconds ago":                {-280, 300, true},
		"for 301 seconds":                        {-5, 301, false},
		"for ten years":                          {-5, 10 * 365 * 86400, false},
		"ended":                                  {-60, 30, false},
		"ended as it began":                      {-1, 0, false},
		"ended before it began":                  {-5, -1, false},
		"for ten seconds, of which two are over": {-2, 10, true},
	} {
		make := func() *mock.Request {
			s := p.Signed()
			s.Created = time.Now().Unix() + c.created
			s.Expires = s.Created + c.life
			return s.Sign("POST", mock.PingPath, []byte("{}"))
		}
		if c.good {
			wantPong(t, p.send(make), what)
		} else {
			p.unsigned(what, make)
		}
	}
	p.done()
}

func authReplay(t *suite.T) {
	p, q := newPeer(t), newPeer(t)
	var first *mock.Request
	wantPong(t, p.send(func() *mock.Request { first = p.ping(); return first.Clone() }), "a request")
	again := func() *mock.Request { return first.Clone() }
	p.unsigned("the same request again", again)
	p.unsigned("and once more", again)
	p.signedWith("its nonce in another request", func(s *mock.Signed) { s.Nonce = first.Get("X-Parley-Nonce") })
	with := func(of *peer, nonce string) func() *mock.Request {
		return func() *mock.Request {
			s := of.Signed()
			s.Nonce = nonce
			return s.Sign("POST", mock.PingPath, []byte("{}"))
		}
	}
	wantPong(t, q.send(with(q, first.Get("X-Parley-Nonce"))), "a nonce that another server used")
	nonce := mock.Base64(mock.Random(16))
	p.unsigned("a nonce under a bad signature", func() *mock.Request {
		r := with(p, nonce)()
		r.Body = []byte(`{"a":1}`)
		return r
	})
	p.unsigned("a nonce under a signature by another", func() *mock.Request {
		s := p.Signed()
		s.Nonce, s.Key = nonce, mock.Key{ID: p.Key.ID, Private: q.Key.Private}
		return s.Sign("POST", mock.PingPath, []byte("{}"))
	})
	wantPong(t, p.send(with(p, nonce)), "a nonce that only bad signatures had")
	for what, bad := range map[string]string{"short": nonce[:20], "long": nonce + "AA", "padded": nonce + "==", "with unused bits": nonce[:21] + "B", "with a star": "*" + nonce[1:]} {
		p.signedWith("a nonce that is "+what, func(s *mock.Signed) { s.Nonce = bad })
	}
	p.done()
	q.done()
}

func authList(t *suite.T) {
	p := newPeer(t)
	p.pings()
	names := strings.Split(mock.List, " ")
	for i, name := range names {
		less := strings.Join(append(append([]string{}, names[:i]...), names[i+1:]...), " ")
		p.signedWith("a signature without "+name, func(s *mock.Signed) { s.List = less })
	}
	for what, list := range map[string]string{
		"only date": "date", "only (created)": "(created)", "another order": strings.Join(append(append([]string{}, names[1:]...), names[0]), " "),
		"one more": mock.List + " content-type", "one twice": mock.List + " digest",
	} {
		p.signedWith("a signature over "+what, func(s *mock.Signed) { s.List = list })
	}
	p.spoilt("a list that says more than was signed", func(r *mock.Request) {
		s := p.Signed()
		s.List, s.Nonce = "(created) (expires)", r.Get("X-Parley-Nonce")
		less := s.Sign("POST", mock.PingPath, []byte("{}"))
		r.Set("Signature", strings.Replace(less.Get("Signature"), s.List, mock.List, 1))
	})
	p.done()
}

func authSpelt(t *suite.T) {
	p := newPeer(t)
	p.pings()
	for what, change := range map[string]func(string) string{
		"a space after a comma":         func(s string) string { return strings.Replace(s, ",headers=", ", headers=", 1) },
		"a space at the end":            func(s string) string { return strings.Replace(s, `",signature`, `" ,signature`, 1) },
		"headers twice":                 func(s string) string { return strings.Replace(s, ",headers=", `,headers="date",headers=`, 1) },
		"headers twice, at the end":     func(s string) string { return s + `,headers="date"` },
		"a list in capitals":            func(s string) string { return strings.Replace(s, "digest", "Digest", 1) },
		"two spaces in the list":        func(s string) string { return strings.Replace(s, " host ", "  host ", 1) },
		"another order":                 func(s string) string { return strings.Replace(s, `,algorithm="hs2019"`, "", 1) + `,algorithm="hs2019"` },
		"no algorithm":                  func(s string) string { return strings.Replace(s, `,algorithm="hs2019"`, "", 1) },
		"a member nobody knows":         func(s string) string { return s + `,opaque="x"` },
		"created in quotes":             func(s string) string { return strings.Replace(s, "created=", `created="`, 1) },
		"a signature without padding":   func(s string) string { return strings.Replace(s, `=="`, `"`, 1) },
		"unused bits of the signature":  respell,
		"a comma at the end":            func(s string) string { return s + "," },
		"the scheme's name before it":   func(s string) string { return "Signature " + s },
		"a key id without its server":   func(s string) string { return strings.Replace(s, p.Name+"/", "", 1) },
		"a key id in another namespace": func(s string) string { return strings.Replace(s, "/ed25519:", "/hmac:", 1) },
	} {
		p.spoilt("a Signature header with "+what, func(r *mock.Request) { r.Set("Signature", change(r.Get("Signature"))) })
	}
	p.done()
}

// respell changes bits of base64 that mean nothing.
func respell(s string) string {
	i := strings.LastIndex(s, `=="`) - 1
	next := map[byte]string{'A': "B", 'Q': "R", 'g': "h", 'w': "x"}[s[i]]
	return s[:i] + next + s[i+1:]
}

func authWho(t *suite.T) {
	p, q := newPeer(t), newPeer(t)
	p.pings()
	q.pings()
	p.signedWith("a key of another server under its own name", func(s *mock.Signed) { s.Key, s.KeyOf = q.Key, q.Name })
	p.signedWith("a key of another server as its own", func(s *mock.Signed) { s.Key = mock.Key{ID: s.Key.ID, Private: q.Key.Private} })
	p.signedWith("an origin that is not the key's server", func(s *mock.Signed) { s.Origin, s.KeyOf = q.Name, p.Name })
	p.signedWith("a request for another server", func(s *mock.Signed) { s.Destination, s.Host = q.Name, t.Env.ServerName() })
	p.signedWith("a request for nobody", func(s *mock.Signed) { s.Destination, s.Host = "", t.Env.ServerName() })
	p.signedWith("a key that is not published", func(s *mock.Signed) { s.Key = mock.NewKey("none") })
	p.signedWith("the server's own name", func(s *mock.Signed) { s.Origin, s.KeyOf = t.Env.ServerName(), t.Env.ServerName() })
	p.signedWith("an origin in capitals", func(s *mock.Signed) { s.Origin, s.KeyOf = strings.ToUpper(p.Name), strings.ToUpper(p.Name) })
	p.done()
	q.done()
}

func authAlgorithm(t *suite.T) {
	p := newPeer(t)
	p.pings()
	for _, name := range []string{"ed25519", "hmac-sha256", "rsa-sha256", "none", ""} {
		p.spoilt("the algorithm "+name, func(r *mock.Request) {
			r.Set("Signature", strings.Replace(r.Get("Signature"), "hs2019", name, 1))
		})
	}
	public := p.Key.Private.Public().(ed25519.PublicKey)
	p.spoilt("an HMAC with the public key as its secret", func(r *mock.Request) {
		sum := hmac.New(sha256.New, public)
		_, _ = sum.Write([]byte("(request-target): post " + mock.PingPath))
		head, _, _ := strings.Cut(r.Get("Signature"), `signature="`)
		r.Set("Signature", strings.Replace(head, "hs2019", "hmac-sha256", 1)+`signature="`+base64.StdEncoding.EncodeToString(sum.Sum(nil))+`"`)
	})
	a := p.send(p.ping)
	t.Expect(a.Status == http.StatusOK, "after them an honest ping: status %d", a.Status)
	p.done()
}
