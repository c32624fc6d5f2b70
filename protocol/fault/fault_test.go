// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley.chat/protocol/fault"
)

func TestCodes_AreCurrent(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command to run the generator with")
	}
	out := filepath.Join(t.TempDir(), "codes_gen.go")
	cmd := exec.Command(tool, "run", "../../internal/gen/faults", "-in", "../../spec/errors.yaml", "-out", out)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("codes_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("codes_gen.go is not what the generator makes of spec/errors.yaml; run: go generate ./protocol/fault")
	}
}

func TestCodes_AreNamedAndExplained(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	seen := map[fault.Code]bool{}
	for _, c := range fault.All() {
		if seen[c] || !name.MatchString(string(c)) || strings.HasPrefix(string(c), "x_") {
			t.Errorf("%q stands twice or is no name of the catalogue", c)
		}
		seen[c] = true
		m := fault.Lookup(c).Meaning
		if len(m) < 20 || m[0] < 'A' || m[0] > 'Z' || !strings.HasSuffix(m, ".") {
			t.Errorf("%s: %q is no sentence", c, m)
		}
	}
	if len(seen) < 30 {
		t.Errorf("only %d codes", len(seen))
	}
}

func TestCodes_HaveSensibleNumbers(t *testing.T) {
	retry := map[string]bool{"never": true, "later": true, "after_login": true, "after_resync": true}
	for _, c := range fault.All() {
		i := fault.Lookup(c)
		if i.Status < 400 || i.Status > 599 {
			t.Errorf("%s: status %d", c, i.Status)
		}
		if !retry[i.Retry] {
			t.Errorf("%s: retry %q", c, i.Retry)
		}
		if i.Status == 401 && i.Retry == "after_resync" {
			t.Errorf("%s: a resync is no login", c)
		}
		if !closes(i) {
			t.Errorf("%s: close code %d with retry %q", c, i.Close, i.Retry)
		}
	}
}

// closes tells whether the close code is in the range of what the client is to do.
func closes(i fault.Info) bool {
	switch {
	case i.Close == 0, i.Close == 1009:
		return true
	case i.Close >= 4000 && i.Close < 4100:
		return i.Retry == "later"
	case i.Close >= 4100 && i.Close < 4200:
		return i.Retry == "after_resync"
	}
	return i.Close >= 4500 && i.Close < 4600 && (i.Retry == "never" || i.Retry == "after_login")
}

func TestLookup_ReadsUnknownCodesAsInternal(t *testing.T) {
	for _, c := range []fault.Code{"", "x_vendor", "NotMember"} {
		if got := fault.Lookup(c); got != fault.Lookup(fault.Internal) {
			t.Errorf("%q: got %+v", c, got)
		}
	}
	if got := fault.Lookup(fault.NotMember); got.Status != 403 {
		t.Errorf("not_member: got %+v", got)
	}
}

func TestNew_FillsTheMessageIn(t *testing.T) {
	e := fault.New(fault.GroupFull, "at most %d", 7)
	if e.Code != fault.GroupFull || e.Message != "at most 7" || e.Error() != "group_full: at most 7" || e.Unwrap() != nil {
		t.Errorf("got %+v", e)
	}
}

func TestInvalid_NamesTheField(t *testing.T) {
	e := fault.Invalid("name", "at most %d", 7)
	if e.Code != fault.InvalidField || e.Field != "name" || e.Message != "name: at most 7" {
		t.Errorf("got %+v", e)
	}
}

func TestRetry_SaysWhen(t *testing.T) {
	e := fault.Retry(fault.Unavailable, time.Second, "moving shard %d", 7)
	if e.Code != fault.Unavailable || e.RetryAfter != time.Second || e.Message != "moving shard 7" {
		t.Errorf("got %+v", e)
	}
}

func TestBecause_WrapsTheCauseInACopyAndKeepsItFromTheMessage(t *testing.T) {
	e := fault.Invalid("name", "no")
	with := e.Because(io.ErrUnexpectedEOF)
	if e.Unwrap() != nil {
		t.Error("the fault itself was changed")
	}
	if !errors.Is(with, io.ErrUnexpectedEOF) || with.Code != e.Code || with.Field != "name" {
		t.Errorf("got %+v", with)
	}
	if strings.Contains(with.Message, "EOF") || !strings.Contains(with.Error(), "EOF") {
		t.Errorf("message %q, error %q: the cause is for logs only", with.Message, with.Error())
	}
}

func TestIs_LooksThroughWrapping(t *testing.T) {
	err := fmt.Errorf("append: %w", fault.New(fault.NotMember, "no"))
	if !fault.Is(err, fault.NotMember) || fault.Is(err, fault.Forbidden) {
		t.Error("the code within is not seen")
	}
	if fault.Is(io.EOF, fault.Internal) || fault.Is(nil, fault.Internal) {
		t.Error("what is no fault has a code")
	}
}

func TestFrom_FindsTheFaultWithin(t *testing.T) {
	f := fault.New(fault.NotMember, "no")
	if got := fault.From(fmt.Errorf("append: %w", f)); got != f {
		t.Errorf("got %v", got)
	}
}

func TestFrom_MakesAnythingElseInternalAndTellsNothing(t *testing.T) {
	got := fault.From(fmt.Errorf("password is hunter2: %w", io.EOF))
	if got.Code != fault.Internal || !errors.Is(got, io.EOF) || strings.Contains(got.Message, "hunter2") {
		t.Errorf("got %+v", got)
	}
}
