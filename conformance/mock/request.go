// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scheme is what requests between servers are signed by.
const Scheme = "cavage12-ed25519-v1"

// List is what a signature covers.
const List = "(request-target) host (created) (expires) digest x-parley-origin x-parley-destination x-parley-nonce"

// Request is a request between servers, in as many parts as a case may want to spoil.
type Request struct {
	Method, Target, Host string
	Header               [][2]string // as they go over the wire, in order
	Body                 []byte
}

// Signed is what a request is signed with. The zero value of a part is what is honest.
type Signed struct {
	Key              Key
	Origin, KeyOf    string // KeyOf is the server in the key id, Origin if ""
	Destination      string
	Host             string // Destination if ""
	Created, Expires int64  // seconds; now, and 300 later
	Nonce            string
	Digest           string
	List             string // what is signed, and said to be
	Algorithm        string
}

// Sign makes a request of one server to another, honest where the parts say nothing else.
func (s Signed) Sign(method, target string, body []byte) *Request {
	s.fill(body)
	r := &Request{Method: method, Target: target, Host: s.Host, Body: body}
	r.Header = [][2]string{
		{"X-Parley-Origin", s.Origin}, {"X-Parley-Destination", s.Destination}, {"X-Parley-Nonce", s.Nonce}, {"Digest", s.Digest},
	}
	sig := ed25519.Sign(s.Key.Private, []byte(signingText(r, s.List, s.Created, s.Expires)))
	r.Set("Signature", fmt.Sprintf(`keyId="%s/%s",algorithm="%s",created=%d,expires=%d,headers="%s",signature="%s"`,
		s.KeyOf, s.Key.ID, s.Algorithm, s.Created, s.Expires, s.List, base64.StdEncoding.EncodeToString(sig)))
	if len(body) > 0 {
		r.Set("Content-Type", "application/json")
	}
	return r
}

func (s *Signed) fill(body []byte) {
	or := func(have *string, otherwise string) {
		if *have == "" {
			*have = otherwise
		}
	}
	or(&s.KeyOf, s.Origin)
	or(&s.Host, s.Destination)
	or(&s.Nonce, Base64(Random(16)))
	or(&s.Digest, Digest(body))
	or(&s.List, List)
	or(&s.Algorithm, "hs2019")
	if s.Created == 0 {
		s.Created = time.Now().Unix()
	}
	if s.Expires == 0 {
		s.Expires = s.Created + 300
	}
}

// Digest is the header of a body.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

// signingText composes what is signed by the list.
func signingText(r *Request, list string, created, expires int64) string {
	var lines []string
	for name := range strings.SplitSeq(list, " ") {
		value := r.Get(name)
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.Target
		case "host":
			value = r.Host
		case "(created)":
			value = strconv.FormatInt(created, 10)
		case "(expires)":
			value = strconv.FormatInt(expires, 10)
		}
		lines = append(lines, name+": "+value)
	}
	return strings.Join(lines, "\n")
}

// Get returns the first value of a header.
func (r *Request) Get(name string) string {
	for _, h := range r.Header {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// Set replaces a header, or adds it.
func (r *Request) Set(name, value string) {
	for i, h := range r.Header {
		if strings.EqualFold(h[0], name) {
			r.Header[i][1] = value
			return
		}
	}
	r.Add(name, value)
}

// Add adds a header, even if there is one.
func (r *Request) Add(name, value string) { r.Header = append(r.Header, [2]string{name, value}) }

// Drop takes a header away.
func (r *Request) Drop(name string) {
	r.Header = slices.DeleteFunc(r.Header, func(h [2]string) bool { return strings.EqualFold(h[0], name) })
}

// Clone returns a copy that can be spoilt.
func (r *Request) Clone() *Request {
	out := *r
	out.Header, out.Body = slices.Clone(r.Header), slices.Clone(r.Body)
	return &out
}

var (
	signatureForm = regexp.MustCompile(`^keyId="([a-z0-9.:-]{1,255})/(ed25519:[A-Za-z0-9_]{1,64})",algorithm="hs2019",created=([1-9][0-9]{9}),expires=([1-9][0-9]{9}),headers="` +
		regexp.QuoteMeta(List) + `",signature="([A-Za-z0-9+/]{85}[AQgw]==)"$`)
	targetForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+(\?[A-Za-z0-9._~=&-]+)?$`)
	nonceForm  = regexp.MustCompile(`^[A-Za-z0-9_-]{21}[AQgw]$`)
)

// Judge tells who sent a request to the receiver, or what is wrong with it. find returns the key of a server that may sign requests
// at a time in Unix milliseconds. That a nonce comes a second time is for who keeps them.
func Judge(r *Request, receiver string, now time.Time, find func(server, keyID string, at int64) ([]byte, error)) (origin string, err error) {
	if err := judgeForm(r, receiver); err != nil {
		return "", err
	}
	m := signatureForm.FindStringSubmatch(r.Get("Signature"))
	if m == nil {
		return "", fmt.Errorf("the header Signature is %q", r.Get("Signature"))
	}
	created, _ := strconv.ParseInt(m[3], 10, 64)
	expires, _ := strconv.ParseInt(m[4], 10, 64)
	at := now.Unix()
	switch {
	case created > at+30 || created < at-300 || expires <= created || expires > created+300 || expires < at:
		return "", fmt.Errorf("created is %d and expires %d, at %d", created, expires, at)
	case m[1] != r.Get("X-Parley-Origin"):
		return "", fmt.Errorf("the key is of %s, the origin %q", m[1], r.Get("X-Parley-Origin"))
	case r.Get("X-Parley-Destination") != receiver:
		return "", fmt.Errorf("the destination is %q", r.Get("X-Parley-Destination"))
	case !nonceForm.MatchString(r.Get("X-Parley-Nonce")):
		return "", fmt.Errorf("the nonce is %q", r.Get("X-Parley-Nonce"))
	case r.Get("Digest") != Digest(r.Body):
		return "", fmt.Errorf("Digest is %q, that of the body %q", r.Get("Digest"), Digest(r.Body))
	}
	public, err := find(m[1], m[2], now.UnixMilli())
	if err != nil {
		return "", err
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(m[5])
	if err != nil || !ed25519.Verify(public, []byte(signingText(r, List, created, expires)), sig) {
		return "", fmt.Errorf("the signature of %s/%s does not verify", m[1], m[2])
	}
	return m[1], nil
}

func judgeForm(r *Request, receiver string) error {
	count := map[string]int{}
	for _, h := range r.Header {
		count[strings.ToLower(h[0])]++
	}
	for _, name := range []string{"signature", "digest", "x-parley-origin", "x-parley-destination", "x-parley-nonce"} {
		if count[name] != 1 {
			return fmt.Errorf("%s is there %d times", name, count[name])
		}
	}
	for _, name := range []string{"authorization", "signature-input", "content-encoding"} {
		if count[name] != 0 {
			return fmt.Errorf("%s is there", name)
		}
	}
	path, _, _ := strings.Cut(r.Target, "?")
	parts := strings.Split(path, "/")
	switch {
	case r.Host != receiver:
		return fmt.Errorf("the host is %q", r.Host)
	case !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, r.Method):
		return fmt.Errorf("the method is %q", r.Method)
	case !targetForm.MatchString(r.Target) || slices.Contains(parts, ".") || slices.Contains(parts, ".."):
		return fmt.Errorf("the target is %q", r.Target)
	}
	return nil
}
