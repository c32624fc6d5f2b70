// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// awayClasses are the SQLSTATE classes of a database that cannot serve now: connection exception, insufficient resources
// (disk full, too many connections), operator intervention (shutting down, starting up), system error; and read-only.
var awayClasses = [...]string{"08", "53", "57", "58", "25006"}

// IsAway tells whether err means that the database is away, full or read-only, so that the same call may succeed later. Doors
// answer it with unavailable.
func IsAway(err error) bool {
	if err == nil {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok { // Whatever the server said to that.
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		for _, class := range awayClasses {
			if strings.HasPrefix(pg.Code, class) {
				return true
			}
		}
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "closed pool")
}
