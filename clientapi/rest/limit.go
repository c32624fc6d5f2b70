// SPDX-License-Identifier: Apache-2.0

package rest

import "parley.chat/protocol/fault"

// lookup serves a route that tells who exists. Names that were told to be unknown cost, and those looked up before them;
// so do profiles. Members that were added cost nothing: they learn of it, and the number of conversations is bounded.
func (d *door) lookup(rt Route, c *Call) (any, error) {
	if err := d.Lookups.Check(c.Client, c.Caller); err != nil {
		return nil, err
	}
	out, err := rt.Handle(c)
	if c.names == 0 || fault.Is(err, fault.UnknownUser) {
		d.Lookups.Note(c.Client, c.Caller, max(1, c.names))
	}
	return out, err
}

// asked notes how many names the request asks about.
func (c *Call) asked(n int) { c.names = n }
