// SPDX-License-Identifier: Apache-2.0

//go:build race

package outbox_test

// raceDetector tells whether the tests run under it, which makes them ten times slower.
const raceDetector = true
