// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/server/config"
	"parley.chat/server/homeserver"
	"parley.chat/server/keyring"
)

func TestOpenKeys_WorksBesideARunningServerAndWithoutOne(t *testing.T) {
	var cfg config.Config
	s := testenv.Start(t, testenv.Configure(func(c *config.Config) { cfg = *c }))
	s.Stop()
	cfg.Database = s.Config().Database
	for _, running := range []bool{false, true} {
		if running {
			s.Restart()
		}
		ring, done, err := homeserver.OpenKeys(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("running %t: %v", running, err)
		}
		keyID, err := ring.Rotate(t.Context(), keyring.Overlap)
		done()
		if err != nil {
			t.Fatal(err)
		}
		if running { // The server looks every ten seconds; here it is told to.
			if err := s.Home.Keys().Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, ok := s.Home.Keys().Own(keyID); !ok {
				t.Error("the running server does not know the key")
			}
		}
	}
	if n := len(s.Home.Keys().List()); n != 3 {
		t.Errorf("there are %d keys", n)
	}
}

// A tool that is not told where the server is makes no other one.
func TestOpenKeys_WhereNoServerIsNothingIsMade(t *testing.T) {
	var cfg config.Config
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	if _, _, err := homeserver.OpenKeys(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "-config") {
		t.Errorf("keys: %v", err)
	}
	if _, err := homeserver.OpenAdmin(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "-config") {
		t.Errorf("admin: %v", err)
	}
	if _, err := os.Stat(cfg.DataDir); !os.IsNotExist(err) {
		t.Errorf("a folder was made: %v", err)
	}
}
