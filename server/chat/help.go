// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

func (a *app) cmdHelp(context.Context, []string) error {
	all := commands()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a.screen.print(fmt.Sprintf("%-29s  %s", all[name].usage, all[name].help))
	}
	a.screen.print("Anything else is sent to the open conversation; //text sends a line that")
	a.screen.print("begins with a slash. N is a number as /list, /devices or /history showed it,")
	a.screen.print("USER is NAME, or NAME@SERVER for someone elsewhere.")
	a.screen.print("Ticks: " + tickQueued + " queued, " + tickSent + " sent to the server, " +
		tickDelivered + " delivered, " + tickRead + ", " + tickFailed + " refused.")
	return nil
}
