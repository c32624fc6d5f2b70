// SPDX-License-Identifier: Apache-2.0

// Package canonical is "signed JSON, version 1": the one spelling of the objects that Parley signs and hashes.
//
// It is a profile of RFC 8785 (JSON Canonicalization Scheme) that leaves out the parts on which implementations
// disagree:
//
//   - one object at the top, UTF-8 without a byte order mark, at most MaxSize bytes;
//   - objects and arrays nested at most MaxDepth deep, the top object being the first level;
//   - at most MaxMembers members per object, keys of the form [A-Za-z0-9_]{1,64}, no key twice;
//   - numbers are integers with |n| <= MaxInt, without fraction, exponent or negative zero;
//   - no white space, keys in ascending order, strings escaped as in RFC 8785 §3.2.2.2.
//
// What arrives from elsewhere passes Check, which refuses any other spelling and never repairs one: two servers that
// read the same bytes as different objects would hold different histories under one signature. What is made here is
// written with Object. Canonicalize serves tools, which may hold the same object in a freer spelling.
//
// When an input breaks several rules the error is the first of: too large, not UTF-8, byte order mark, then the first
// fault in reading order, then trailing data, and not canonical last.
//
// The package does not know which fields an object has (that is package event), holds no keys and signs nothing. The
// content of a message never stands inside a signed object, only its hash does; so these rules do not bind content.
//
// The vectors in spec/vectors/canonical say the same as this package, for other implementations.
//
// # Concurrency
//
// There is no shared state. Functions may be called from any goroutine; an Object belongs to one.
package canonical
