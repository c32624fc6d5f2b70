// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"parley.chat/spec"
)

// policy allows the files of this package and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Docs serves the specification at /docs and below. It expects the whole path of the request.
func Docs() http.Handler {
	return &docs{load: sync.OnceValues(func() (site, error) { return build(spec.Files()) })}
}

type docs struct {
	load func() (site, error)
}

// site maps paths without a slash at the end to what is there.
type site map[string]file

type file struct {
	kind string // content type
	body []byte
	tag  string // ETag
}

func newFile(kind string, body []byte) file {
	sum := sha256.Sum256(body)
	return file{kind: kind, body: body, tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// ServeHTTP implements http.Handler.
func (d *docs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "the pages can only be read", http.StatusMethodNotAllowed)
		return
	}
	pages, err := d.load()
	if err != nil {
		http.Error(w, "the pages could not be made", http.StatusInternalServerError)
		return
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	if f, ok := pages[path]; ok {
		f.serve(w, r, http.StatusOK)
		return
	}
	if f, ok := pages[strings.TrimSuffix(path, ".md")]; ok { // Links as in the repository lead here too.
		f.serve(w, r, http.StatusOK)
		return
	}
	pages[notFound].serve(w, r, http.StatusNotFound)
}

func (f file) serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache") // Ask each time, by tag: a new version of the server has new pages.
	h.Set("ETag", f.tag)
	if status == http.StatusOK && r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = w.Write(f.body) // The reader has gone; nothing was promised.
	}
}

// rawKinds are the content types of the files that are served as they are.
var rawKinds = map[string]string{
	".yaml": "text/plain; charset=utf-8", // Shown by browsers rather than stored.
	".json": "application/json",
}

// addRaw adds the machine-readable files of the specification.
func (s site) addRaw(files fs.FS) error {
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		dot := strings.LastIndexByte(path, '.')
		if err != nil || d.IsDir() || dot < 0 || rawKinds[path[dot:]] == "" {
			return err
		}
		raw, err := fs.ReadFile(files, path)
		s["/docs/"+path] = newFile(rawKinds[path[dot:]], raw)
		return err
	})
}
