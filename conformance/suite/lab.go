// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Lab holds command templates by the name of the hook: kill, start, partition, restore, clock. The commands run in
// sh. {arg} in a template is replaced by what the case says, such as the offset of a clock.
type Lab map[string]string

// ReadLab reads a file of command templates.
func ReadLab(files fs.FS, name string) (Lab, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, fmt.Errorf("read the lab: %w", err)
	}
	var lab Lab
	if err := yaml.Unmarshal(raw, &lab); err != nil {
		return nil, fmt.Errorf("read the lab %s: %w", name, err)
	}
	known := []string{"kill", "start", "partition", "restore", "clock"}
	for hook := range lab {
		if !slices.Contains(known, hook) {
			return nil, fmt.Errorf("read the lab %s: there is no hook %q", name, hook)
		}
	}
	return lab, nil
}

// Missing returns the hooks that are not in the lab.
func (l Lab) Missing(hooks []string) []string {
	var out []string
	for _, h := range hooks {
		if l[h] == "" {
			out = append(out, h)
		}
	}
	return out
}

// Run runs a hook and waits for its end.
func (l Lab) Run(ctx context.Context, hook, arg string) error {
	out, err := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(l[hook], "{arg}", arg)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("lab hook %s: %w: %s", hook, err, strings.TrimSpace(string(out)))
	}
	return nil
}
