// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"io"
	"net/http"
	"time"

	"parley.chat/clientapi/op"
	wire "parley.chat/protocol/rest"
)

// ExportRoutes is the part of the table that serves the archive of an account. The password travels in a body, so that no link
// gives the archive away.
func ExportRoutes(e *op.Export) []Route {
	return []Route{
		{Method: "POST", Path: "/api/v1/users/me/export", Auth: true, Stream: func(c *Call, w http.ResponseWriter) error {
			raw, err := c.read()
			if err != nil {
				return err
			}
			var in wire.Deactivate
			if err := Decode(raw, &in); err != nil {
				return err
			}
			write, end, err := e.Begin(c.Context(), c.Caller, in)
			if err != nil {
				return err
			}
			defer end()
			w.Header().Set("Content-Type", "application/zip")
			w.Header().Set("Content-Disposition", `attachment; filename="parley-export.zip"`)
			return write(c.Context(), patient{w, http.NewResponseController(w)})
		}},
	}
}

// writeTime is how long a client may take for an answer, or one piece of a stream: one that stopped reading must not hold what it takes.
const writeTime = 30 * time.Second

// patient writes as long as the client reads.
type patient struct {
	io.Writer
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(writeTime)) // A transport without deadlines has its own limits.
	return p.Writer.Write(b)
}
