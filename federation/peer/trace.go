// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// traceDial notes when a request gets a connection.
func traceDial(ctx context.Context, got *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got.Store(true) }})
}
