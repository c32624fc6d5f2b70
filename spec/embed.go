// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"embed"
	"io/fs"
)

//go:generate go run ../internal/gen/specreq -dir .

//go:embed *.md *.yaml schemas examples vectors
var files embed.FS

// Files returns the folder spec/ with slash-separated paths, for example `schemas/event.json`.
func Files() fs.FS { return files }
