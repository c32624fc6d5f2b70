// SPDX-License-Identifier: Apache-2.0

// Package rest holds the bodies of the REST API that are not frames: accounts,
// devices, conversations, pages, problems. Paths and status codes are in
// spec/openapi.yaml; what the calls do is in clientapi/op.
//
// # Concurrency
//
// Everything here is a value.
package rest
