// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"parley.chat/store"
)

func TestIsAway_TellsAnAbsentDatabaseFromAWrongStatement(t *testing.T) {
	for _, c := range []struct {
		err  error
		away bool
	}{
		{nil, false},
		{&pgconn.PgError{Code: "53100"}, true}, // disk full
		{&pgconn.PgError{Code: "57P01"}, true}, // admin shutdown
		{&pgconn.PgError{Code: "57P03"}, true}, // cannot connect now
		{&pgconn.PgError{Code: "25006"}, true}, // read only
		{&pgconn.PgError{Code: "08006"}, true},
		{&pgconn.PgError{Code: "23505"}, false}, // unique violation
		{&pgconn.PgError{Code: "42P01"}, false}, // undefined table
		{fmt.Errorf("read events: %w", io.ErrUnexpectedEOF), true},
		{fmt.Errorf("commit: %w", context.DeadlineExceeded), true},
		{context.Canceled, false}, // the client went away
		{errors.New("a bug"), false},
	} {
		if got := store.IsAway(c.err); got != c.away {
			t.Errorf("IsAway(%v) = %v", c.err, got)
		}
	}
}

func TestIsAway_NobodyListens(t *testing.T) {
	_, err := pgconn.Connect(t.Context(), "host=/nonexistent dbname=x user=x")
	if !store.IsAway(err) {
		t.Errorf("IsAway(%v) = false", err)
	}
}
