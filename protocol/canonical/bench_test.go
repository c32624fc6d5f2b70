// SPDX-License-Identifier: Apache-2.0

package canonical_test

import (
	"testing"

	"parley.chat/protocol/canonical"
)

// entryLike builds an object of ten fields as the hot path does.
func entryLike(buf []byte, hash []byte) ([]byte, error) {
	o := canonical.Begin(buf)
	o.String("conversationId", "cq83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJAA")
	o.Int("hubTime", 1790000000000)
	o.Bytes("prev", hash)
	o.String("sender", "@alice:example.org")
	o.Int("seq", 123456)
	o.Bytes("submissionHash", hash)
	o.String("tempId", "01J9ZK3V8Q2M6T4R7X5W1Y0ABC")
	o.Int("term", 3)
	o.String("type", "message")
	o.Int("version", 1)
	return o.End()
}

func BenchmarkObject_TenFields(b *testing.B) {
	buf := make([]byte, 0, 1024)
	hash := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := entryLike(buf, hash); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	in, err := entryLike(nil, make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		canonical.Hash("entry", in)
	}
}

func BenchmarkCheck(b *testing.B) {
	in, err := entryLike(nil, make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if err := canonical.Check(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBase64(b *testing.B) {
	in := canonical.EncodeBase64(make([]byte, 64))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := canonical.DecodeBase64(in); err != nil {
			b.Fatal(err)
		}
	}
}
