// SPDX-License-Identifier: Apache-2.0

// Package crash kills servers under load and decides whether they kept their word: whatever a client was told to be
// sent is in the log once, in order, and reaches every member.
//
// A run is the parent of a real `parley serve` with a private PostgreSQL. Simulated devices talk to it over sockets, long
// polls, event streams and REST, lose their connections and sometimes their memory, while it kills the server, PostgreSQL or both with
// SIGKILL: at random moments, and at the failpoints that a binary built with Build has. After each kill the server is
// started again as an operator would, without any other step. At the end everything comes to rest, the log is read back
// from the database, its chains are verified, and internal/history compares it with what the devices saw.
//
// A run over a pair (pair*.go) has two servers with users, databases and links of their own, who write into conversations whose hubs are
// on either side. Servers and databases of one side or both are killed, also at the failpoints of federation, and the links are cut. In the
// end both logs of every shared conversation must be the same, with all that was acknowledged or accepted unless it was told to have failed.
//
// It is not for rules of single operations (tests beside them) and not for speed (bench). The client here is its own, so
// that faults of the SDK and of the server stay apart.
//
// Invariants:
//   - One seed draws kills, load and lost connections alike; what the scheduler does with them is not repeatable.
//   - A device records a send before the request leaves and a reception when the frame was read.
//   - A receipt that came live is durable: no answer and no stored pointer is below it. One that was only acknowledged (204) may
//     die with the server, and does not go back before.
//   - What is accepted is asked about until its outcome is known; a client that forgets does not forget that.
//   - Of receipts that cross servers no kill may lose more than what was on its way; how many ended alike is counted, not judged.
//   - Nothing is forgiven: an answer that no crash explains, such as a cursor that is refused, is a problem of the run.
//   - The children die with the process that runs this, however that ends.
//
// # Concurrency
//
// Several runs with different folders may go on at a time. Everything belongs to one run; a device is used by the
// goroutines of its own and by whoever drops its connection.
package crash
