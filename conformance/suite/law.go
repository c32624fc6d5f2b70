// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"io/fs"

	"gopkg.in/yaml.v3"
)

// Requirement is a line of requirements.yaml.
type Requirement struct {
	ID      string `yaml:"id" json:"id"`
	Level   string `yaml:"level" json:"level"`
	Text    string `yaml:"text" json:"text"`
	File    string `yaml:"file" json:"file"`
	Section string `yaml:"section" json:"section"`
	Since   string `yaml:"since" json:"since"`
}

// Limit is a line of limits.yaml.
type Limit struct {
	Name      string `yaml:"name"`
	Value     int64  `yaml:"value"`
	Max       int64  `yaml:"max"`
	Rate      bool   `yaml:"rate"`
	Error     string `yaml:"error"`
	Discovery bool   `yaml:"discovery"`
}

// Feature is a line of features.yaml.
type Feature struct {
	Name   string `yaml:"name"`
	Core   bool   `yaml:"core"`
	Status string `yaml:"status"`
}

// Book is what the suite reads from spec/. It is read-only.
type Book struct {
	Requirements []Requirement
	Limits       map[string]Limit
	Features     map[string]Feature
	byID         map[string]Requirement
}

// ReadBook reads the generated and the kept lists of spec/.
func ReadBook(files fs.FS) (*Book, error) {
	b := &Book{Limits: map[string]Limit{}, Features: map[string]Feature{}, byID: map[string]Requirement{}}
	var limits []Limit
	var features []Feature
	for name, into := range map[string]any{"requirements.yaml": &b.Requirements, "limits.yaml": &limits, "features.yaml": &features} {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(raw, into); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	for _, r := range b.Requirements {
		b.byID[r.ID] = r
	}
	for _, l := range limits {
		b.Limits[l.Name] = l
	}
	for _, f := range features {
		b.Features[f.Name] = f
	}
	return b, nil
}

// Requirement returns the requirement with the id, and whether there is one.
func (b *Book) Requirement(id string) (Requirement, bool) {
	r, ok := b.byID[id]
	return r, ok
}
