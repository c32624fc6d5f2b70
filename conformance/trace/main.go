// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"parley.chat/conformance/cases"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "trace:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	f := flag.NewFlagSet("trace", flag.ContinueOnError)
	dir := f.String("dir", ".", "the `folder` with spec/ and conformance/")
	write := f.Bool("write", false, "write spec/coverage.md and spec/requirements.lock")
	quotes := f.Bool("quotes", false, "take the present sentences as those the cases were written against")
	if err := f.Parse(args); err != nil {
		return err
	}
	t, err := load(os.DirFS(*dir), cases.All())
	if err != nil {
		return err
	}
	t.print(out)
	known := cases.Quotes()
	if *quotes {
		if err := t.writeQuotes(*dir); err != nil {
			return err
		}
		known = t.sentences()
	}
	if *write {
		if err := t.write(*dir); err != nil {
			return err
		}
	}
	if wrong := append(t.amiss(), t.changed(known)...); len(wrong) > 0 {
		return fmt.Errorf("%d things are amiss:\n%s", len(wrong), strings.Join(wrong, "\n"))
	}
	return nil
}

func (t *table) sentences() map[string]string {
	out := map[string]string{}
	for _, r := range t.requirements {
		out[r.ID] = r.Text
	}
	return out
}

func (t *table) writeQuotes(dir string) error {
	var b strings.Builder
	for _, r := range t.requirements {
		fmt.Fprintf(&b, "%s %s\n", r.ID, r.Text)
	}
	return os.WriteFile(filepath.Join(dir, "conformance", "cases", "quotes.txt"), []byte(b.String()), 0o644)
}

func (t *table) write(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "spec", "coverage.md"), []byte(t.coverage()), 0o644); err != nil {
		return err
	}
	list := strings.Join(append(t.published, t.unpublished()...), "\n") + "\n"
	return os.WriteFile(filepath.Join(dir, "spec", "requirements.lock"), []byte(list), 0o644)
}
