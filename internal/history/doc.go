// SPDX-License-Identifier: Apache-2.0

// Package history decides whether a run of Parley kept its promises: nothing acknowledged was lost, nothing was
// invented or doubled, every reader saw one order, and that order agrees with real time.
//
// Simulated clients write what they did and saw to a Recorder. When the run is over, Check compares that history with
// the log of each conversation as read back from the database and returns a Report. Crash loops and the conformance
// suite call it. It is not a load generator, opens no connection and runs no server; who does that is internal/crash.
//
// Invariants:
//   - Check never blames a correct server for what is merely unknown: a send without an outcome, or with an Unknown
//     one, may be in the log or not. Lost outcome records therefore weaken a check and never falsify it.
//   - The order of records of one device is the order in which the device saw things. Between devices only times are
//     compared, strictly, so records at the same nanosecond are concurrent.
//   - Check takes time linear in records and log entries, apart from sorting what is read by time, which is nearly
//     sorted already, and a binary search among the quiet marks. No search over interleavings is needed because
//     sequence numbers are dense: seq is the witness of the order.
//
// Every invocation must be recorded before the request is sent and every outcome after it arrived. All times are
// nanoseconds of one monotonic clock of one machine; MachineClock gives it, the same in every process.
//
// Where conversations cross servers, final is the log of each conversation's hub, and Same compares it with the logs of the
// others, which no history is needed for.
//
// # Concurrency
//
// A Recorder may be used by many goroutines. Check, Merge and the methods of History and Report keep no state and do
// not change their arguments; they may run concurrently as long as nobody changes the arguments meanwhile.
package history
