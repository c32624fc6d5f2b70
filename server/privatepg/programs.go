// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// programs is one folder with the PostgreSQL server programs.
type programs struct {
	bin   string
	major string
}

// debianPattern is where Debian's packages put the server programs; they are not in PATH there.
const debianPattern = "/usr/lib/postgresql/*/bin"

// ErrNoPrograms is returned by Open when this machine has no PostgreSQL server programs.
var ErrNoPrograms = errors.New("PostgreSQL server programs are missing")

// findPrograms lists what is installed: those of PATH first, then Debian's, newest first.
func findPrograms(ctx context.Context) ([]programs, error) {
	return findIn(ctx, filepath.SplitList(os.Getenv("PATH")), debianPattern)
}

func findIn(ctx context.Context, path []string, pattern string) ([]programs, error) {
	var found []programs
	for _, bin := range path {
		found = appendPrograms(ctx, found, bin)
	}
	byPackage, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("look for postgresql in %s: %w", pattern, err)
	}
	var packaged []programs
	for _, bin := range byPackage {
		packaged = appendPrograms(ctx, packaged, bin)
	}
	slices.SortStableFunc(packaged, func(a, b programs) int { return number(b.major) - number(a.major) })
	found = append(found, packaged...)
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: run `apt-get install postgresql`, or name a database in the configuration "+
			"(looked for initdb and postgres in %s and %s)", ErrNoPrograms, strings.Join(path, ", "), pattern)
	}
	return found, nil
}

func appendPrograms(ctx context.Context, list []programs, bin string) []programs {
	// A relative entry of PATH would mean another program after each change of folder.
	if !filepath.IsAbs(bin) {
		return list
	}
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(bin, name)); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return list
		}
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return list
	}
	if major := parseMajor(string(out)); major != "" {
		return append(list, programs{bin: bin, major: major})
	}
	return list
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// parseMajor reads the answer of `postgres --version`, "" when it is none.
func parseMajor(answer string) string {
	m := versionPattern.FindStringSubmatch(answer)
	if m == nil {
		return ""
	}
	return m[1]
}

// choosePrograms takes those of the folder's major version, or the first for a new folder.
func choosePrograms(found []programs, major string) (programs, error) {
	var have []string
	for _, p := range found {
		if major == "" || p.major == major {
			return p, nil
		}
		have = append(have, fmt.Sprintf("%s (%s)", p.major, p.bin))
	}
	return programs{}, fmt.Errorf("the folder was made by PostgreSQL %s, but this machine has %s: "+
		"install postgresql-%s, or upgrade the folder with pg_upgrade; it was not touched",
		major, strings.Join(have, ", "), major)
}

func number(major string) int {
	n, _ := strconv.Atoi(major)
	return n
}
