// SPDX-License-Identifier: Apache-2.0

// Command specreq writes the generated files of spec/: requirements.yaml from
// the prose, errors.md from errors.yaml, and the table in 90-limits.md from
// limits.yaml. It writes nothing if the prose breaks a rule of package spectext.
//
// # Concurrency
//
// There is one goroutine.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"parley.chat/internal/gen/spectext"
)

func main() {
	dir := flag.String("dir", "spec", "the folder of the specification")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	files, err := spectext.Generate(os.DirFS(dir))
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
