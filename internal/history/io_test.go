// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecode_ReturnsWhatEncodeWrote(t *testing.T) {
	h := seeded(1, 400).rec.History()
	var file bytes.Buffer
	if err := h.Encode(&file); err != nil {
		t.Fatal(err)
	}
	got, err := Decode(&file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h, got); diff != "" {
		t.Errorf("history changed (-want +got):\n%s", diff)
	}
}

func TestDecode_TornLastLineKeepsTheRest(t *testing.T) {
	h, err := Decode(strings.NewReader(`{"op":"quiet","at":7}` + "\n" + `{"op":"qui`))
	if !errors.Is(err, ErrTorn) {
		t.Fatalf("error %v, want ErrTorn", err)
	}
	if diff := cmp.Diff(History{{Op: Quiet, At: 7}}, h); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestDecode_BadLinesAreRefusedByNumber(t *testing.T) {
	for name, line := range map[string]string{
		"no JSON":       "{",
		"unknown field": `{"op":"ok","colour":1}`,
		"unknown op":    `{"op":"dance","at":1}`,
		"two records":   `{"op":"quiet","at":1}{"op":"quiet","at":2}`,
		"endless line":  `{"op":"` + strings.Repeat("x", maxLine) + `"}`,
	} {
		_, err := Decode(strings.NewReader(`{"op":"quiet","at":1}` + "\n" + line + "\n"))
		if err == nil || errors.Is(err, ErrTorn) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: error %v, want one about line 2", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var seed bytes.Buffer
	if err := seeded(2, 12).rec.History().Encode(&seed); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.Bytes())
	f.Add([]byte(`{"op":"join","at":1,"seq":-5,"device":"a"}` + "\n" + `{"op":"quiet","at":9}` + "\n"))
	final := seeded(2, 12).final()
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		if s := Check(h, final).String(); !strings.Contains(s, "verdict") {
			t.Errorf("report without a verdict: %s", s)
		}
		var again bytes.Buffer
		if err := h.Encode(&again); err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(&again); err != nil || !slices.Equal(h, got) {
			t.Errorf("history changed on the way through a file: %v", err)
		}
	})
}

func TestMerge_KeepsTheOrderWithinAPart(t *testing.T) {
	at := func(device string, times ...int64) (h History) {
		for i, time := range times {
			h = append(h, Record{Device: device, At: time, Seq: int64(i)})
		}
		return h
	}
	var got []string
	for _, r := range Merge(at("a", 1, 5, 3), nil, at("b", 1, 4, 9)) {
		got = append(got, fmt.Sprintf("%s%d", r.Device, r.Seq))
	}
	if diff := cmp.Diff([]string{"a0", "b0", "b1", "a1", "a2", "b2"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestRecorder_StreamFromManyGoroutinesIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.jsonl")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	memory, stream := NewRecorder(MachineClock), NewStreamRecorder(file, MachineClock)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 50 {
				s := Send{Device: fmt.Sprint(g), Conversation: "c", TempID: fmt.Sprint(i)}
				memory.Invoke(s)
				stream.Invoke(s)
				memory.Unknown(s)
				stream.Unknown(s)
			}
		})
	}
	all.Wait()
	if stream.Err() != nil || len(stream.History()) != 0 {
		t.Fatalf("stream: error %v, %d records in memory", stream.Err(), len(stream.History()))
	}
	if _, err := file.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	read, err := Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]History{"memory": memory.History(), "stream": read} {
		s := Check(h, nil).Stats
		if s.Records != 800 || s.Sends != 400 || s.Unknown != 400 {
			t.Errorf("%s: stats %+v", name, s)
		}
	}
}

type fullDisk struct{}

var errFull = errors.New("disk full")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestRecorder_ErrOfAStreamIsKept(t *testing.T) {
	r := NewStreamRecorder(fullDisk{}, MachineClock)
	r.Quiet("")
	r.Quiet("d")
	if !errors.Is(r.Err(), errFull) {
		t.Errorf("error %v, want %v", r.Err(), errFull)
	}
}

func TestRecorder_TimesGivenByTheCallerAreKept(t *testing.T) {
	d := desk()
	d.Received(Reception{Reader: alice, Source: Live, At: 77})
	d.Received(Reception{Reader: alice, Source: Live})
	h := d.History()
	if h[0].At != 77 || h[1].At == 0 || h[1].At == 77 {
		t.Errorf("times %d and %d", h[0].At, h[1].At)
	}
}

func TestMachineClock_DoesNotRunBackwards(t *testing.T) {
	before := MachineClock()
	for range 1000 {
		now := MachineClock()
		if now < before || now <= 0 {
			t.Fatalf("%d after %d", now, before)
		}
		before = now
	}
}

func TestReport_PrintsTwentyOfARuleAndCountsAll(t *testing.T) {
	d := desk()
	for i := range maxKept + 50 {
		s := sendBy(alice, fmt.Sprint(i))
		d.Invoke(s)
		d.OK(s, int64(i), fmt.Sprintf("m%d", i))
	}
	report := Check(d.History(), nil)
	if report.OK() || report.Count(NoLoss) != maxKept+50 || len(report.Violations) != maxKept {
		t.Fatalf("counted %d, kept %d", report.Count(NoLoss), len(report.Violations))
	}
	text := report.String()
	if n := strings.Count(text, "does not hold it"); n != maxPrinted {
		t.Errorf("printed %d violations", n)
	}
	for _, want := range []string{"verdict: BROKEN", "rule 1, no loss: 1050", "and 1030 more", "1050 acknowledged", "not checked for holes"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

func TestReport_CountOfAnUnknownRuleIsZero(t *testing.T) {
	if n := (Report{}).Count(99) + (Report{}).Count(-1); n != 0 {
		t.Errorf("count %d", n)
	}
}
