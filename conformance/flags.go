// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"parley.chat/conformance/suite"
)

const usage = `Checks a Parley homeserver against the published specification.

  conformance [flags] https://chat.example    run all cases the server can be asked
  conformance [flags] list                    list the cases
  conformance explain ID                      tell what a case or a requirement asks
  conformance [flags] rerun [RESULT.JSON]     run again what failed (./conformance-report/result.json)

Exit code 0: no profile fails. 1: one does. 2: the suite could not do its work.

`

// order is what the command line asks for.
type order struct {
	options suite.Options
	verb    string // run, list, explain, rerun
	arg     string
	profile []string
	ids     []string // globs of case or requirement ids
	report  string
	timeout time.Duration
	flags   []string // as given, for telling how to run it again
}

// parse reads flags, which may stand before or after the address or verb.
func parse(args []string, out io.Writer) (*order, error) {
	o := &order{}
	var profile, ids, accounts, lab string
	var m mockFlags
	f := flag.NewFlagSet("conformance", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() { _, _ = io.WriteString(out, usage); f.PrintDefaults() }
	f.StringVar(&o.options.Peer, "peer", "", "`address` of a second homeserver, for cases of federation")
	f.StringVar(&profile, "profile", "", "only these `profiles`, with commas: CLIENT-CORE,GROUPS")
	f.StringVar(&ids, "run", "", "only these `ids` of cases or requirements, with commas; * and ? are wild")
	f.StringVar(&accounts, "accounts", "", "`file` of given accounts, each line a username, a space and its password")
	f.StringVar(&o.options.RegistrationToken, "registration-token", "", "`token` to register accounts with")
	f.IntVar(&o.options.MaxAccounts, "max-accounts", 80, "how many accounts the run may register; a case on full groups needs one more than groupMembers")
	f.Uint64Var(&o.options.Seed, "seed", 1, "what random steps follow from")
	f.BoolVar(&o.options.Strict, "strict", false, "undocumented members and codes are failures")
	f.IntVar(&o.options.Parallel, "parallel", 6, "how many cases run at a time")
	f.StringVar(&o.report, "report", "conformance-report", "`folder` for result.json, junit.xml and report.html")
	f.StringVar(&lab, "lab", "", "`file` of command templates: kill, start, partition, restore, clock")
	m.register(f)
	f.DurationVar(&o.timeout, "timeout", 15*time.Minute, "of the whole run")
	words, err := interleaved(f, args)
	if err != nil {
		return nil, err
	}
	f.Visit(func(g *flag.Flag) {
		if g.Name != "run" && g.Name != "report" && g.Name != "registration-token" && !strings.HasPrefix(g.Name, "mock") {
			o.flags = append(o.flags, "--"+g.Name+"="+g.Value.String())
		}
	})
	o.profile, o.ids = split(profile), split(ids)
	if o.options.Given, err = readAccounts(accounts); err != nil {
		return nil, err
	}
	if o.options.Mock, err = m.read(); err != nil {
		return nil, err
	}
	if lab != "" {
		if o.options.Lab, err = suite.ReadLab(os.DirFS(filepath.Dir(lab)), filepath.Base(lab)); err != nil {
			return nil, err
		}
	}
	return o, o.take(words)
}

// interleaved parses flags between words.
func interleaved(f *flag.FlagSet, args []string) ([]string, error) {
	var words []string
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if args = f.Args(); len(args) == 0 {
			return words, nil
		}
		words, args = append(words, args[0]), args[1:]
	}
}

func (o *order) take(words []string) error {
	switch {
	case len(words) == 0:
		return errors.New("say which server: conformance https://chat.example")
	case words[0] == "list" && len(words) == 1:
		o.verb = "list"
	case words[0] == "explain" && len(words) == 2:
		o.verb, o.arg = "explain", words[1]
	case words[0] == "rerun" && len(words) <= 2:
		o.verb, o.arg = "rerun", filepath.Join(o.report, "result.json")
		if len(words) == 2 {
			o.arg = words[1]
		}
		return o.again()
	case strings.Contains(words[0], "://") && len(words) == 1:
		o.verb, o.options.URL = "run", words[0]
	default:
		return fmt.Errorf("cannot read %q; see --help", strings.Join(words, " "))
	}
	return nil
}

// again takes the address and the failed cases from an earlier result.
func (o *order) again() error {
	raw, err := os.ReadFile(o.arg)
	if err != nil {
		return fmt.Errorf("read what failed: %w", err)
	}
	var earlier struct {
		Target string `json:"target"`
		Cases  []struct {
			ID     string       `json:"id"`
			Status suite.Status `json:"status"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(raw, &earlier); err != nil {
		return fmt.Errorf("read %s: %w", o.arg, err)
	}
	o.options.URL = earlier.Target
	for _, c := range earlier.Cases {
		if c.Status == suite.Fail || c.Status == suite.Flaky || c.Status == suite.Error {
			o.ids = append(o.ids, c.ID)
		}
	}
	if len(o.ids) == 0 {
		return fmt.Errorf("nothing failed in %s", o.arg)
	}
	return nil
}

func readAccounts(name string) ([]*suite.Account, error) {
	if name == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	list := []*suite.Account{}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		user, password, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("read the accounts: a line of %s is not a username, a space and a password", name)
		}
		username, _, _ := strings.Cut(user, "@")
		list = append(list, &suite.Account{Username: username, Password: strings.TrimSpace(password), Given: true})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("read the accounts: there are none in %s", name)
	}
	return list, nil
}

func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// pick returns the cases that profiles and ids ask for.
func pick(all []*suite.Case, profiles, ids []string) ([]*suite.Case, error) {
	var out []*suite.Case
	used := map[string]bool{}
	for _, c := range all {
		if wanted(profiles, used, c.Profile) && wantedCase(ids, used, c) {
			out = append(out, c)
		}
	}
	for _, g := range append(profiles, ids...) {
		if !used[g] {
			return nil, fmt.Errorf("no case has the profile or id %s; see list", g)
		}
	}
	return out, nil
}

func wantedCase(globs []string, used map[string]bool, c *suite.Case) bool {
	names := []string{c.ID}
	for _, r := range c.Requirements {
		names = append(names, r.ID)
	}
	return wanted(globs, used, names...)
}

func wanted(globs []string, used map[string]bool, names ...string) bool {
	hit := len(globs) == 0
	for _, g := range globs {
		for _, name := range names {
			if ok, _ := path.Match(strings.ToUpper(g), name); ok {
				used[g], hit = true, true
			}
		}
	}
	return hit
}
