// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
)

//go:embed assets
var assets embed.FS

const (
	index    = "/docs"
	notFound = "/docs/not-found"
	htmlKind = "text/html; charset=utf-8"
)

// page is one page before it is put into the frame.
type page struct {
	Path     string
	Title    string
	Headings []heading
	Body     template.HTML
	entries  []entry
}

// heading is an entry of the page's own table of contents.
type heading struct {
	Level  int
	Anchor string
	Text   string
}

// entry is one thing the search field finds.
type entry struct {
	Title string `json:"t"`
	URL   string `json:"u"`
	Text  string `json:"s,omitempty"`
	Kind  string `json:"k"`
}

// chapter is a line of the side table of contents.
type chapter struct {
	Path  string
	Title string
	Group string // set on the first of a group
}

// contents is the order of the pages.
func contents() []chapter {
	return []chapter{
		{index, "Start here", "Read"},
		{"/docs/00-introduction", "Introduction", ""},
		{"/docs/05-trust-model", "Trust model", ""},
		{"/docs/10-identifiers", "Identifiers", ""},
		{"/docs/15-encoding", "Encoding", ""},
		{"/docs/20-log", "The log", ""},
		{"/docs/25-accounts", "Accounts and devices", ""},
		{"/docs/30-conversations", "Conversations", ""},
		{"/docs/32-messages", "What happens to messages", ""},
		{"/docs/34-personal", "What belongs to one user", ""},
		{"/docs/35-channels", "Channels", ""},
		{"/docs/36-presence", "Presence and typing", ""},
		{"/docs/37-search", "Finding messages", ""},
		{"/docs/38-abuse", "Abuse", ""},
		{"/docs/40-sync", "Sync", ""},
		{"/docs/45-socket", "Socket", ""},
		{"/docs/50-rest", "Requests and answers", ""},
		{"/docs/60-federation", "Federation", ""},
		{"/docs/api", "REST operations", "Look up"},
		{"/docs/frames", "Frames", ""},
		{"/docs/schemas", "Shapes", ""},
		{"/docs/errors", "Errors", ""},
		{"/docs/90-limits", "Limits", ""},
		{"/docs/glossary", "Glossary", ""},
		{"/docs/known-gaps", "Known gaps", ""},
		{"/docs/coverage", "Coverage", ""},
	}
}

// build makes every page and file of the site.
func build(files fs.FS) (site, error) {
	pages, err := prosePages(files)
	if err != nil {
		return nil, err
	}
	generated, err := referencePages(files)
	if err != nil {
		return nil, err
	}
	pages = append(pages, generated...)
	pages = append(pages, page{Path: notFound, Title: "No such page", Body: "<h1>No such page</h1><p>Try the table of contents or the search.</p>"})
	s := site{}
	frame, err := template.ParseFS(assets, "assets/page.html")
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		if err := s.addPage(frame, p); err != nil {
			return nil, err
		}
	}
	if err := s.addSearch(pages); err != nil {
		return nil, err
	}
	if err := s.addAssets(); err != nil {
		return nil, err
	}
	return s, s.addRaw(files)
}

func (s site) addPage(frame *template.Template, p page) error {
	var b bytes.Buffer
	err := frame.Execute(&b, struct {
		page
		Contents       []chapter
		Previous, Next *chapter
	}{page: p, Contents: contents(), Previous: neighbour(p.Path, -1), Next: neighbour(p.Path, 1)})
	if err != nil {
		return fmt.Errorf("render %s: %w", p.Path, err)
	}
	s[p.Path] = newFile(htmlKind, b.Bytes())
	return nil
}

// neighbour is the chapter a step away from the one at path, nil if there is none.
func neighbour(path string, step int) *chapter {
	list := contents()
	for i, c := range list {
		if n := i + step; c.Path == path && n >= 0 && n < len(list) {
			return &list[n]
		}
	}
	return nil
}

func (s site) addSearch(pages []page) error {
	entries := []entry{}
	for _, p := range pages {
		if p.Path == notFound {
			continue
		}
		entries = append(entries, entry{Title: p.Title, URL: p.Path, Kind: "page"})
		entries = append(entries, p.entries...)
	}
	raw, err := json.Marshal(entries)
	s["/docs/search.json"] = newFile("application/json", raw)
	return err
}

func (s site) addAssets() error {
	for name, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "search.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		raw, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return err
		}
		s["/docs/assets/"+name] = newFile(kind, raw)
	}
	return nil
}

// address turns a link of the repository into one of the site: 40-sync.md#x into /docs/40-sync#x.
func address(link string) string {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "#") || strings.HasPrefix(link, "/") {
		return link
	}
	target, anchor, has := strings.Cut(link, "#")
	target = "/docs/" + strings.TrimSuffix(target, ".md")
	if target == "/docs/README" {
		target = index
	}
	if has {
		target += "#" + anchor
	}
	return target
}
