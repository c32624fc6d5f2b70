// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/rest"
	"parley.chat/sdk/sdktest"
)

// owner answers the calls about devices.
type owner struct {
	mu      sync.Mutex
	devices []rest.Device
}

func owning(f *sdktest.Server, devices ...rest.Device) *owner {
	o := &owner{devices: devices}
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		if key == "GET devices" {
			_ = json.NewEncoder(w).Encode(rest.Devices{Devices: o.devices})
			return true
		}
		deviceID, removal := strings.CutPrefix(key, "DELETE ")
		if !removal {
			return false
		}
		i := slices.IndexFunc(o.devices, func(d rest.Device) bool { return d.DeviceID == deviceID })
		if i < 0 {
			sdktest.Refuse(w, fault.New(fault.UnknownDevice, "no such device"))
			return true
		}
		o.devices = slices.Delete(o.devices, i, i+1)
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	return o
}

func (o *owner) left() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var ids []string
	for _, d := range o.devices {
		ids = append(ids, d.DeviceID)
	}
	return strings.Join(ids, " ")
}

func TestDevice_RemovedByTheNumberThatWasShown(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	self, _ := a.client.Session()
	o := owning(f,
		rest.Device{DeviceID: "A", DeviceName: "old\x1bphone"},
		rest.Device{DeviceID: self.DeviceID, DeviceName: "here", IsCurrent: true},
		rest.Device{DeviceID: "C"},
	)
	step := func(line string, want ...string) {
		t.Helper()
		a.line(t.Context(), line)
		if d := cmp.Diff(want, p.took()); d != "" {
			t.Errorf("%s: %s", line, d)
		}
	}
	usage := "! usage: /devices, which numbers them, then /devices remove N"
	step("/devices remove 1", usage)
	seen := fmt.Sprintf("  seen %-12s  ", clock(0, time.Now()))
	step("/devices",
		"  1  old\uFFFDphone"+seen+"A",
		"  2  here     "+seen+self.DeviceID+"  (this one)",
		"  3  (no name)"+seen+"C",
	)
	step("/devices remove", usage)
	step("/devices remove x", usage)
	step("/devices add 1", usage)
	step("/devices remove 0", "! no device 0: /devices shows 1 to 3")
	step("/devices remove 4", "! no device 4: /devices shows 1 to 3")
	step("/devices remove 2", "! that is this device: /logout logs it out")
	step("/devices remove 1", "Device 1 is logged out and removed.")
	step("/devices remove 1", "! no such device")
	step("/devices remove 3", "Device 3 is logged out and removed.")
	if got := o.left(); got != self.DeviceID {
		t.Errorf("left are %q", got)
	}
}

func TestDevice_FailedListingKeepsTheNumbers(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	o := owning(f, rest.Device{DeviceID: "A", DeviceName: "phone"})
	a.line(t.Context(), "/devices")
	working := f.OnCall
	f.OnCall = func(w http.ResponseWriter, _ string) bool {
		sdktest.Refuse(w, fault.New(fault.RateLimited, "slow down"))
		return true
	}
	p.took()
	a.line(t.Context(), "/devices")
	if d := cmp.Diff([]string{"! slow down"}, p.took()); d != "" {
		t.Error(d)
	}
	f.OnCall = working
	a.line(t.Context(), "/devices remove 1")
	if got := o.left(); got != "" {
		t.Errorf("left are %q", got)
	}
}

func TestDevice_DefaultNamesTellTerminalsApart(t *testing.T) {
	long := strings.Repeat("日", 100)
	for want, got := range map[string]string{
		"parley chat on box":          deviceName("box", 1),
		"parley chat on box (2)":      deviceName("box", 2),
		"parley chat":                 deviceName("", 1),
		"parley chat (16)":            deviceName("", 16),
		"parley chat on b\uFFFDx (3)": deviceName("b\x00x", 3),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if n := len(deviceName(long, maxDevices)); n > 256 {
		t.Errorf("%d bytes", n)
	}
}

// names passes everything on to the server and keeps under which names devices were made.
type names struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func naming(t *testing.T, f *sdktest.Server) *names {
	t.Helper()
	back, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	n := &names{}
	pass := httputil.NewSingleHostReverseProxy(back)
	pass.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/login") || strings.HasSuffix(r.URL.Path, "/register") {
			raw, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(raw))
			var in rest.Login
			_ = json.Unmarshal(raw, &in)
			n.mu.Lock()
			n.seen = append(n.seen, in.DeviceName)
			n.mu.Unlock()
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(n.Close)
	return n
}

func (n *names) last() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen[len(n.seen)-1]
}

func TestDevice_SecondTerminalIsToldWithItsName(t *testing.T) {
	f := sdktest.New(t)
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		if key != "GET devices" {
			return false
		}
		sdktest.Refuse(w, fault.New(fault.RateLimited, "slow down"))
		return true
	}
	n := naming(t, f)
	state := t.TempDir()
	flags := []string{"--server", n.URL}
	one := talk(t, f, "bob", state, flags...)
	one.expect("connected")
	base := deviceName(hostname(), 1)
	if got := n.last(); got != base {
		t.Errorf("named %q", got)
	}
	two := talk(t, f, "bob", state, flags...)
	two.expect("This is a second terminal: a device of its own, named " + base + " (2).")
	two.expect("connected")
	if got := n.last(); got != base+" (2)" {
		t.Errorf("named %q", got)
	}
	three := talk(t, f, "bob", state, append(flags, "--device-name", "desk")...)
	three.expect("This is terminal 3: a device of its own, named desk.")
	three.expect("connected")
	if strings.Contains(strings.Join(one.seen, "\n"), "terminal") {
		t.Error("the first terminal is told too")
	}
}

func TestDevice_ResumedTerminalIsToldTheNameTheServerKnows(t *testing.T) {
	f := sdktest.New(t)
	owning(f, rest.Device{DeviceID: "A", DeviceName: "phone"}, rest.Device{DeviceID: "B", DeviceName: "kitchen", IsCurrent: true})
	state := t.TempDir()
	talk(t, f, "bob", state).expect("connected")
	two := talk(t, f, "bob", state)
	two.expect("named kitchen.")
	two.expect("connected")
}
