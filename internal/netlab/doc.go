// SPDX-License-Identifier: Apache-2.0

// Package netlab is a network of several hosts on this machine, for tests: each host is a network namespace with an
// address of its own, and between any two of them lies a link that can be cut, slow or lossy. A name server of the
// lab is the only one its hosts know.
//
// It is for programs as they are shipped, run as processes. It is not for tests of federation in one process, which
// are quicker (internal/testenv), and not for bandwidth: links are as fast as this process copies packets.
//
// A host's only device is a TUN device, whose other end this process holds: what a host sends is read here, meets the
// policy of its link and is written to the device of the other host. Nothing of it needs root, a program other than
// the one under test, or a module of the kernel for delay and loss. Where namespaces are not allowed Need skips the
// test with the reason; with PARLEY_NETLAB=must it fails instead.
//
// Invariants:
//
//   - Nothing leaves the lab: its hosts have no way to the machine's networks, nor to each other but the links.
//   - A policy holds from the moment it is set, also for packets under way; cutting a link loses those.
//   - Packets of one direction arrive in the order in which they were sent. Queues are bounded: what does not fit into
//     that of a link is dropped and counted, what this process is too slow for is dropped by the sender's device.
//   - Close ends all processes in the lab, and those that they started, and says which did not end by themselves.
//
// # Concurrency
//
// All methods may be called from several goroutines. Namespaces belong to threads: each host has one for its whole
// life, which starts its processes, so these are killed when this process ends. Locks are leaves, none is held over I/O.
package netlab
