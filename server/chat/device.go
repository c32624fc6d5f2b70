// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/rest"
	"parley.chat/sdk"
)

const nameTimeout = 3 * time.Second // to ask for the name of the own device, which can be done without

// hostname is empty if the machine does not tell.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// deviceName is the name of the nth terminal of a user, unless the user gave one.
func deviceName(host string, n int) string {
	name := "parley chat"
	if host = short(clean(host), 48); host != "" {
		name += " on " + host
	}
	if n > 1 {
		name += fmt.Sprintf(" (%d)", n)
	}
	return name
}

// secondTerminal tells that the nth terminal is not the first one's device.
func secondTerminal(n int, name string) string {
	which := "a second terminal"
	if n > 2 {
		which = fmt.Sprintf("terminal %d", n)
	}
	return "This is " + which + ": a device of its own, named " + clean(name) + "."
}

// currentName is what the server calls the device, which a resumed session named when it was made; otherwise if the
// server does not tell.
func currentName(ctx context.Context, client *sdk.Client, otherwise string) string {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	all, err := client.Devices(ctx)
	if err != nil {
		return otherwise
	}
	for _, d := range all {
		if d.IsCurrent && d.DeviceName != "" {
			return d.DeviceName
		}
	}
	return otherwise
}

var errDeviceUsage = errors.New("usage: /devices, which numbers them, then /devices remove N")

func (a *app) cmdDevices(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0:
		return a.listDevices(ctx)
	case len(args) != 2 || args[0] != "remove" || len(a.owned) == 0:
		return errDeviceUsage
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return errDeviceUsage
	}
	if n < 1 || n > len(a.owned) {
		return fmt.Errorf("no device %d: /devices shows 1 to %d", n, len(a.owned))
	}
	return a.removeDevice(ctx, n)
}

func (a *app) listDevices(ctx context.Context) error {
	all, err := a.client.Devices(ctx)
	if err != nil {
		return err
	}
	a.owned = a.owned[:0]
	wide := 0
	for _, d := range all {
		wide = max(wide, columnsOf(nameOf(d)))
	}
	for i, d := range all {
		a.owned = append(a.owned, d.DeviceID)
		a.screen.print(fmt.Sprintf("%3d  %s", i+1, deviceLine(d, wide)))
	}
	return nil
}

// removeDevice keeps the numbers of the others as they were shown.
func (a *app) removeDevice(ctx context.Context, n int) error {
	if s, _ := a.client.Session(); s.DeviceID == a.owned[n-1] {
		return errors.New("that is this device: /logout logs it out")
	}
	if err := a.client.RemoveDevice(ctx, a.owned[n-1]); err != nil {
		return err
	}
	a.screen.print(fmt.Sprintf("Device %d is logged out and removed.", n))
	return nil
}

// nameOf is the name of a device as it is shown.
func nameOf(d rest.Device) string {
	if d.DeviceName == "" {
		return "(no name)"
	}
	return short(clean(d.DeviceName), 60)
}

// deviceLine is a device on one line; its name takes so many columns.
func deviceLine(d rest.Device, wide int) string {
	name := nameOf(d)
	line := name + strings.Repeat(" ", wide-columnsOf(name)) + "  seen " + fmt.Sprintf("%-12s  ", clock(d.LastSeenAt, time.Now())) + clean(d.DeviceID)
	if d.IsCurrent {
		line += "  (this one)"
	}
	return line
}
