// SPDX-License-Identifier: Apache-2.0

// Package web shows the specification in spec/ to people, at /docs.
//
// The prose is rendered from Markdown, the REST operations, frames and shapes
// from openapi.yaml, asyncapi.yaml and schemas/ with the templates of this
// package. Everything is made once, at the first request, from files embedded in
// the binary: no page needs another host, and the pages work without scripts but
// for the search field.
//
// It is not the API (clientapi) and holds no words of its own about the
// protocol: what a page says is in spec/.
//
// # Concurrency
//
// The handler may be used from any goroutine.
package web
