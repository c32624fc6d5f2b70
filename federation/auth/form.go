// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/id"
)

// Scheme names what this package does in discovery.
const Scheme = "cavage12-ed25519-v1"

// The headers of a request, besides Host and Signature.
const (
	HeaderOrigin      = "X-Parley-Origin"
	HeaderDestination = "X-Parley-Destination"
	HeaderNonce       = "X-Parley-Nonce"
)

// signedList is what a signature covers, exactly and in this order.
const signedList = "(request-target) host (created) (expires) digest x-parley-origin x-parley-destination x-parley-nonce"

// The times a request may have. ahead is how far a clock may be in front of ours.
const (
	ahead = 30 * time.Second
	life  = 300 * time.Second
)

var (
	signaturePattern = regexp.MustCompile(`^keyId="([a-z0-9.:-]{1,255})/(ed25519:[A-Za-z0-9_]{1,64})",algorithm="hs2019",` +
		`created=([1-9][0-9]{9}),expires=([1-9][0-9]{9}),headers="` + regexp.QuoteMeta(signedList) + `",signature="([A-Za-z0-9+/]{85}[AQgw]==)"$`)
	pathPattern  = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
	queryPattern = regexp.MustCompile(`^[A-Za-z0-9._~=&-]*$`)
	noncePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{21}[AQgw]$`)
)

// form is a request's signature and what belongs to it, well formed and nothing more.
type form struct {
	origin           id.Server
	keyID            string
	created, expires time.Time
	nonce            [16]byte
	digest           string
}

// readForm checks everything that needs neither body nor key. spec: FED-AUTH-9
func readForm(r *http.Request, self id.Server, now time.Time) (form, error) {
	values, err := single(r.Header)
	if err != nil {
		return form{}, err
	}
	if err := checkHost(r, self); err != nil {
		return form{}, err
	}
	if err := CheckTarget(r.Method, r.URL); err != nil {
		return form{}, err
	}
	m := signaturePattern.FindStringSubmatch(values["Signature"])
	if m == nil {
		return form{}, errors.New("the Signature header has not the one form")
	}
	f := form{origin: id.Server(m[1]), keyID: m[2], created: seconds(m[3]), expires: seconds(m[4]), digest: values["Digest"]}
	if err := f.checkTimes(now); err != nil {
		return form{}, err
	}
	if !f.origin.IsDomain() || values[HeaderOrigin] != string(f.origin) {
		return form{}, fmt.Errorf("the key is of %q, the request says it is from %q", f.origin, values[HeaderOrigin])
	}
	if values[HeaderDestination] != string(self) {
		return form{}, fmt.Errorf("the request is for %q", values[HeaderDestination])
	}
	if !noncePattern.MatchString(values[HeaderNonce]) {
		return form{}, errors.New("the nonce is not 16 bytes of base64url")
	}
	_, err = base64.RawURLEncoding.Decode(f.nonce[:], []byte(values[HeaderNonce]))
	return f, err
}

// single returns the headers a request has exactly once. spec: FED-AUTH-2
func single(h http.Header) (map[string]string, error) {
	for _, name := range [...]string{"Authorization", "Signature-Input"} {
		if _, given := h[name]; given {
			return nil, fmt.Errorf("%s does not belong to the scheme", name)
		}
	}
	out := map[string]string{}
	for _, name := range [...]string{"Signature", "Digest", HeaderOrigin, HeaderDestination, HeaderNonce} {
		if len(h[http.CanonicalHeaderKey(name)]) != 1 {
			return nil, fmt.Errorf("%s is there %d times", name, len(h[http.CanonicalHeaderKey(name)]))
		}
		out[name] = h.Get(name)
	}
	return out, nil
}

// checkHost wants our name where the router looks and where the library looks: in HTTP/2 the two can differ. spec: FED-AUTH-3
func checkHost(r *http.Request, self id.Server) error {
	if r.Host != string(self) {
		return fmt.Errorf("the request is for the host %q", r.Host)
	}
	if list, given := r.Header["Host"]; given && (len(list) != 1 || list[0] != r.Host) {
		return fmt.Errorf("a second Host header says %q", list)
	}
	return nil
}

// CheckTarget takes only methods, paths and queries that have one spelling, so that what is signed is what is routed.
// spec: FED-AUTH-4
func CheckTarget(method string, u *url.URL) error {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
	default:
		return fmt.Errorf("the method %q is not used between servers", method)
	}
	if u.RawPath != "" || u.EscapedPath() != u.Path || !pathPattern.MatchString(u.Path) || u.Opaque != "" {
		return fmt.Errorf("the path %q has characters that could be spelt otherwise", u.EscapedPath())
	}
	for part := range strings.SplitSeq(u.Path[1:], "/") {
		if part == "." || part == ".." {
			return fmt.Errorf("the path %q has dot segments", u.Path)
		}
	}
	if u.ForceQuery || !queryPattern.MatchString(u.RawQuery) {
		return fmt.Errorf("the query %q has characters that could be spelt otherwise", u.RawQuery)
	}
	return nil
}

// checkTimes wants a young signature that ends soon. spec: FED-AUTH-6
func (f form) checkTimes(now time.Time) error {
	switch {
	case f.created.After(now.Add(ahead)):
		return fmt.Errorf("created is %s ahead of our clock", f.created.Sub(now).Round(time.Second))
	case f.created.Before(now.Add(-life)):
		return fmt.Errorf("created is %s behind our clock", now.Sub(f.created).Round(time.Second))
	case !f.expires.After(f.created) || f.expires.After(f.created.Add(life)):
		return errors.New("expires is not within five minutes after created")
	case f.expires.Before(now):
		return errors.New("the signature has expired")
	}
	return nil
}

// seconds reads ten digits, which the pattern made sure of.
func seconds(text string) time.Time {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Unix(n, 0)
}
