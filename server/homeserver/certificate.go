// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"parley.chat/server/config"
)

// certificate is that of the listener, read again when its file changed.
type certificate struct {
	cert, key string

	mu      sync.Mutex // Held while the files are read, once a minute at most: a handshake waits that long.
	current *tls.Certificate
	changed time.Time
	looked  time.Time
}

// certificates returns what makes the listener speak HTTPS, nil if no files are named.
func certificates(t config.TLS) (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	c := &certificate{cert: t.Cert, key: t.Key}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > time.Minute {
		_ = c.read() // Half-written files are read again in a minute; the old certificate serves meanwhile.
	}
	return c.current, nil
}

func (c *certificate) read() error {
	c.looked = time.Now()
	info, err := os.Stat(c.cert)
	if err != nil || c.current != nil && info.ModTime().Equal(c.changed) {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.current, c.changed = &pair, info.ModTime()
	return nil
}
