// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"parley.chat/conformance/cases"
	"parley.chat/conformance/report"
	"parley.chat/conformance/suite"
	"parley.chat/spec"
)

// run does what the command line says and returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	o, err := parse(args, errOut)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	code := 2
	if err == nil {
		code, err = o.do(ctx, out)
	}
	if err != nil {
		fmt.Fprintln(errOut, "conformance:", err)
		return 2
	}
	return code
}

func (o *order) do(ctx context.Context, out io.Writer) (int, error) {
	book, err := suite.ReadBook(spec.Files())
	if err != nil {
		return 2, err
	}
	if o.verb == "explain" {
		return 0, explain(out, book, o.arg)
	}
	list, err := pick(cases.All(), o.profile, o.ids)
	if err != nil {
		return 2, err
	}
	if o.verb == "list" {
		printList(out, list)
		return 0, nil
	}
	return o.check(ctx, out, list)
}

func (o *order) check(ctx context.Context, out io.Writer, list []*suite.Case) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	progress := report.NewProgress(out, isTerminal(out))
	o.options.Progress = progress.Done
	env, err := suite.NewEnv(ctx, spec.Files(), o.options)
	if err != nil {
		return 2, err
	}
	defer env.Close()
	fmt.Fprintf(out, "%s: %d cases, run %s, seed %d\n", env.Server.URL(), len(list), env.RunID, o.options.Seed)
	begin := time.Now()
	results := env.Run(ctx, list)
	progress.End()
	r := report.New(env, results, report.Meta{Begin: begin, Took: time.Since(begin), Seed: o.options.Seed, Strict: o.options.Strict, Flags: o.flags})
	r.Tree(out)
	if err := r.Write(o.report); err != nil {
		return 2, err
	}
	fmt.Fprintf(out, "\nThe report is in %s/report.html, beside result.json and junit.xml.\n", o.report)
	return suite.ExitCode(results), nil
}

func printList(out io.Writer, list []*suite.Case) {
	for _, p := range suite.Profiles() {
		if p.Planned != nil {
			fmt.Fprintf(out, "\n%s (planned): %s\n", p.Name, p.Of)
			for _, text := range p.Planned {
				fmt.Fprintf(out, "  - %s\n", text)
			}
			continue
		}
		fmt.Fprintf(out, "\n%s: %s\n", p.Name, p.Of)
		for _, c := range list {
			if c.Profile == p.Name {
				fmt.Fprintf(out, "  %-24s %s%s\n", c.ID, c.Title, needs(c))
			}
		}
	}
}

func needs(c *suite.Case) string {
	var out []string
	if len(c.Needs.Lab) > 0 {
		out = append(out, "lab: "+strings.Join(c.Needs.Lab, ", "))
	}
	if c.Needs.Mock {
		out = append(out, "a mock homeserver")
	}
	if c.Needs.Servers > 1 {
		out = append(out, "a second server")
	}
	if len(out) == 0 {
		return ""
	}
	return " (needs " + strings.Join(out, "; ") + ")"
}

// explain tells what a case asks, or which cases show a requirement.
func explain(out io.Writer, book *suite.Book, id string) error {
	id = strings.ToUpper(id)
	if r, ok := book.Requirement(id); ok {
		fmt.Fprintf(out, "%s (%s, since %s)\n  %s\n  spec/%s, %s\n", r.ID, r.Level, r.Since, r.Text, r.File, r.Section)
	}
	found := false
	for _, c := range cases.All() {
		shows := c.ID == id
		for _, r := range c.Requirements {
			shows = shows || r.ID == id
		}
		if !shows {
			continue
		}
		found = true
		fmt.Fprintf(out, "\n%s: %s%s\n  profile %s, level %s, %d accounts\n", c.ID, c.Title, needs(c), c.Profile, c.Level, c.Needs.Accounts)
		for _, r := range c.Requirements {
			at, _ := book.Requirement(r.ID)
			fmt.Fprintf(out, "  [%s] %s (spec/%s, %s)\n", r.ID, r.Quote, at.File, at.Section)
		}
	}
	if _, known := book.Requirement(id); !found && !known {
		return fmt.Errorf("there is no case and no requirement %s; see list", id)
	}
	if !found {
		fmt.Fprintln(out, "  no case shows it; reasons.yaml tells why")
	}
	return nil
}

// isTerminal is kept here so that the report package needs no files.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
