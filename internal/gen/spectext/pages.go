// SPDX-License-Identifier: Apache-2.0

package spectext

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Code is one entry of errors.yaml.
type Code struct {
	Code    string `yaml:"code"`
	Status  int    `yaml:"status"`
	Retry   string `yaml:"retry"`
	Close   int    `yaml:"close"`
	Since   string `yaml:"since"`
	Meaning string `yaml:"meaning"`
}

// Limit is one entry of limits.yaml.
type Limit struct {
	Name      string `yaml:"name"`
	Value     int64  `yaml:"value"`
	Max       int64  `yaml:"max"`
	Rate      bool   `yaml:"rate"`
	Unit      string `yaml:"unit"`
	Error     string `yaml:"error"`
	Discovery bool   `yaml:"discovery"`
	Of        string `yaml:"of"`
}

// Feature is one entry of features.yaml.
type Feature struct {
	Name    string `yaml:"name"`
	Profile string `yaml:"profile"`
	Core    bool   `yaml:"core"`
	Status  string `yaml:"status"`
	Since   string `yaml:"since"`
	Of      string `yaml:"of"`
}

// Load reads a YAML list of the specification; members that T does not have are an error.
func Load[T any](files fs.FS, name string) ([]T, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	var out []T
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return out, nil
}

// Generate returns the generated files of the specification by name: requirements.yaml, errors.md and 90-limits.md, of
// which only the table is generated.
func Generate(files fs.FS) (map[string][]byte, error) {
	codes, err := Load[Code](files, "errors.yaml")
	if err != nil {
		return nil, err
	}
	limits, err := Load[Limit](files, "limits.yaml")
	if err != nil {
		return nil, err
	}
	answeredBy, err := operationsByCode(files)
	if err != nil {
		return nil, err
	}
	limitsPage, err := fs.ReadFile(files, "90-limits.md")
	if err != nil {
		return nil, err
	}
	reqs, err := Requirements(files)
	if err != nil {
		return nil, err
	}
	list, err := requirementsFile(reqs)
	return map[string][]byte{
		"requirements.yaml": list,
		"errors.md":         errorsPage(codes, answeredBy),
		"90-limits.md":      replaceTable(limitsPage, limitsTable(limits)),
	}, err
}

func requirementsFile(reqs []Requirement) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Generated from the prose by internal/gen/specreq. Edit the prose.\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(reqs)
	return b.Bytes(), err
}

func errorsPage(codes []Code, answeredBy map[string][]string) []byte {
	var b bytes.Buffer
	b.WriteString("<!-- Generated from errors.yaml by internal/gen/specreq. Edit errors.yaml. -->\n\n# Errors\n\n")
	b.WriteString("Every refusal carries one of these codes: as a [problem](schemas/problem.json) over HTTP, as an " +
		"[error](schemas/error.json) frame on the socket. What `retry` means is in [Requests and answers](50-rest.md#errors).\n")
	for _, status := range statuses(codes) {
		fmt.Fprintf(&b, "\n## %d %s\n", status, http.StatusText(status))
		for _, c := range codes {
			if c.Status == status {
				writeCode(&b, c, answeredBy[c.Code])
			}
		}
	}
	return b.Bytes()
}

// manyOperations is how many operations a code names one by one.
const manyOperations = 8

func writeCode(b *bytes.Buffer, c Code, operations []string) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\nRetry: `%s`", c.Code, c.Meaning, c.Retry)
	if c.Close != 0 {
		fmt.Fprintf(b, " · closes a socket with %d", c.Close)
	}
	switch n := len(operations); {
	case n > manyOperations:
		fmt.Fprintf(b, " · %d operations", n)
	case n > 0:
		fmt.Fprintf(b, " · `%s`", strings.Join(operations, "` `"))
	}
	fmt.Fprintf(b, " · since %s\n", c.Since)
}

// operationsByCode reads from openapi.yaml which operations list a code, in the order of the file.
func operationsByCode(files fs.FS) (map[string][]string, error) {
	raw, err := fs.ReadFile(files, "openapi.yaml")
	if err != nil {
		return nil, err
	}
	var doc struct {
		Paths yaml.Node `yaml:"paths"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	out := map[string][]string{}
	for i := 1; i < len(doc.Paths.Content); i += 2 {
		item := doc.Paths.Content[i]
		for j := 1; j < len(item.Content); j += 2 {
			var op struct {
				ID     string   `yaml:"operationId"`
				Errors []string `yaml:"x-errors"`
			}
			if err := item.Content[j].Decode(&op); err != nil {
				return nil, fmt.Errorf("read openapi.yaml: %w", err)
			}
			for _, c := range op.Errors {
				out[c] = append(out[c], op.ID)
			}
		}
	}
	return out, nil
}

func statuses(codes []Code) []int {
	var out []int
	for _, c := range codes {
		out = append(out, c.Status)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func limitsTable(limits []Limit) string {
	var b strings.Builder
	b.WriteString("| limit | value | of | beyond it |\n|---|---|---|---|\n")
	for _, l := range limits {
		value, beyond := fmt.Sprintf("%d %s", l.Value, l.Unit), ""
		if l.Rate {
			value += ", or another"
		} else if l.Max > 0 {
			value += fmt.Sprintf(", up to %d", l.Max)
		}
		if l.Error != "" {
			beyond = fmt.Sprintf("[%s](errors.md#%s)", l.Error, l.Error)
		}
		name := "`" + l.Name + "`"
		if l.Discovery {
			name += " *"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, value, l.Of, beyond)
	}
	b.WriteString("\n\\* told by discovery.\n")
	return b.String()
}

// replaceTable puts the table between the two marks of the page.
func replaceTable(page []byte, table string) []byte {
	const begin, end = "<!-- limits -->\n", "<!-- end -->"
	head, rest, _ := strings.Cut(string(page), begin)
	_, tail, _ := strings.Cut(rest, end)
	return []byte(head + begin + "\n" + table + "\n" + end + tail)
}
