// SPDX-License-Identifier: Apache-2.0

package id_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// label is a DNS label of n characters.
func label(n int) string { return strings.Repeat("a", n) }

// check runs a parser over a table: what is valid comes back unchanged, what is not is a fault that names the field.
func check[T ~string](t *testing.T, parse func(string) (T, error), field string, valid, invalid []string) {
	t.Helper()
	for _, s := range valid {
		if got, err := parse(s); err != nil || string(got) != s {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
	}
	for _, s := range invalid {
		got, err := parse(s)
		var f *fault.Error
		if got != "" || !errors.As(err, &f) || f.Code != fault.InvalidField || f.Field != field {
			t.Errorf("%q: got %q, %v; want a fault of %s", s, got, err, field)
		}
	}
}

func TestParseServer(t *testing.T) {
	long := strings.Repeat(label(62)+".", 4)
	check(t, id.ParseServer, "serverName",
		[]string{
			"example.org", "localhost", "a", "1", "127.0.0.1", "xn--bcher-kva.example", "a-b.c", "example.org:1",
			"example.org:65535", label(63) + ".org", long + label(3), long[:249] + ":12345",
		},
		[]string{
			"", ".", "Example.org", "example.org.", ".example.org", "a..b", "-a.org", "a-.org", "a_b.org", "a b",
			"example.org:", "example.org:0", "example.org:080", "example.org:123456", "example.org:x", "a:1:2", "[::1]",
			"example.org/x", "bücher.example", "example.org\n", "\nexample.org", label(64), long + label(4), "a@b",
			"example.org\x00", "\u212A.org",
		})
}

func TestParseUser(t *testing.T) {
	check(t, id.ParseUser, "userId",
		[]string{"alice@example.org", "a@b", "._-0@localhost:8448", label(64) + "@a"},
		[]string{
			"", "@", "alice", "alice@", "@example.org", "Alice@example.org", "alice@Example.org", "a@b@c", "al ice@b",
			"alice@b ", "@alice:b", label(65) + "@a", "alice@b\n", "alice\n@b", "\u212A@b", "a+b@c", "a@b..c",
		})
}

func TestParseDevice(t *testing.T) {
	check(t, id.ParseDevice, "deviceId",
		[]string{"01J9ZK3V8Q2M6T4R7X5W1Y0ABC", "00000000000000000000000000", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", string(id.NewDevice())},
		notULIDs())
}

func TestParseMessage(t *testing.T) {
	parse := func(s string) (string, error) {
		m, err := id.ParseMessage(s)
		if err != nil && m == (id.Message{}) {
			return "", err
		}
		return m.String(), err
	}
	check(t, parse, "messageId",
		[]string{"01J9ZK3V8Q2M6T4R7X5W1Y0ABC", "00000000000000000000000000", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"}, notULIDs())
}

func notULIDs() []string {
	return []string{
		"", "01J9ZK3V8Q2M6T4R7X5W1Y0AB", "01J9ZK3V8Q2M6T4R7X5W1Y0ABCD", "01j9zk3v8q2m6t4r7x5w1y0abc",
		"81J9ZK3V8Q2M6T4R7X5W1Y0ABC", "01J9ZK3V8Q2M6T4R7X5W1Y0ABI", "01J9ZK3V8Q2M6T4R7X5W1Y0ABL",
		"01J9ZK3V8Q2M6T4R7X5W1Y0ABO", "01J9ZK3V8Q2M6T4R7X5W1Y0ABU", "01J9ZK3V8Q2M6T4R7X5W1Y0AB-",
		"01J9ZK3V8Q2M6T4R7X5W1Y0AB\n", "01J9ZK3V8Q2M6T4R7X5W1Y0A\xc3\x89",
	}
}

func TestParseConversation(t *testing.T) {
	good := string(id.NewConversation([32]byte{0xfb, 0xff, 31: 0xfe}))
	check(t, id.ParseConversation, "conversationId",
		[]string{good, "c" + strings.Repeat("A", 43), "c" + strings.Repeat("_", 42) + "8"},
		[]string{
			"", "c", good[1:], "C" + good[1:], good + "A", good[:43], "c" + strings.Repeat("A", 42) + "B",
			"c" + strings.Repeat("A", 42) + "=", "c" + strings.Repeat("A", 42) + "\n", "c\n" + strings.Repeat("A", 42),
			"c+" + strings.Repeat("A", 42), "c/" + strings.Repeat("A", 42), "c" + strings.Repeat("A", 41) + "\r\n",
		})
}

func TestNormalizeUsername_LowersASCIIOnly(t *testing.T) {
	for in, want := range map[string]string{"Alice": "alice", "bob": "bob", "A.Z_0-9": "a.z_0-9", label(64): label(64)} {
		if got, err := id.NormalizeUsername(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", " ", "al ice", "alice@b", "\u212Aate", "\u017Fam", "İ", "é", label(65), "a\n", "a\x00", "a+b", "\xff",
	} {
		got, err := id.NormalizeUsername(in)
		var f *fault.Error
		if got != "" || !errors.As(err, &f) || f.Field != "username" {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func TestUser_PartsMakeTheWhole(t *testing.T) {
	u := id.NewUser("alice", "example.org:8448")
	if u != "alice@example.org:8448" || u.Username() != "alice" || u.Server() != "example.org:8448" {
		t.Errorf("%s is of %s and %s", u, u.Username(), u.Server())
	}
}

func TestNewDevice_IsFresh(t *testing.T) {
	seen := map[id.Device]bool{}
	for range 1000 {
		seen[id.NewDevice()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d of 1000 differ", len(seen))
	}
}

func TestConversation_BytesAreThoseOfTheHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hash := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
		c, err := id.ParseConversation(string(id.NewConversation(hash)))
		if err != nil || c.Bytes() != hash {
			t.Errorf("got %x, %v; want %x", c.Bytes(), err, hash)
		}
	})
	if id.Conversation("cxyz").Bytes() != [32]byte{} {
		t.Error("a malformed id has bytes")
	}
}

func drawMessage(t *rapid.T) (m id.Message, time, seq int64) {
	time = rapid.Int64Range(0, 1<<48-1).Draw(t, "time")
	seq = rapid.Int64Range(0, id.MaxSeq).Draw(t, "seq")
	hash := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
	m = id.NewMessage(time, seq, hash)
	if !bytes.Equal(m[11:], hash[:5]) {
		t.Errorf("%x does not end with the submission hash", m)
	}
	return m, time, seq
}

func TestMessage_CarriesTimeAndSeq(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, time, seq := drawMessage(t)
		if m.Time() != time || m.Seq() != seq {
			t.Errorf("got %d, %d; want %d, %d", m.Time(), m.Seq(), time, seq)
		}
		if back, err := id.ParseMessage(m.String()); err != nil || back != m {
			t.Errorf("%s is read as %x, %v", m, back, err)
		}
		raw, err := json.Marshal(m)
		var back id.Message
		if err != nil || json.Unmarshal(raw, &back) != nil || back != m || string(raw) != `"`+m.String()+`"` {
			t.Errorf("%s, %v is read as %x", raw, err, back)
		}
	})
}

func TestMessage_TextOrdersAsTimeThenSeq(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, timeA, seqA := drawMessage(t)
		b, timeB, seqB := drawMessage(t)
		if rapid.Bool().Draw(t, "same time") {
			b, timeB = id.NewMessage(timeA, seqB, [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))), timeA
		}
		if timeA == timeB && seqA == seqB {
			return
		}
		before := timeA < timeB || timeA == timeB && seqA < seqB
		if (a.String() < b.String()) != before || (bytes.Compare(a[:], b[:]) < 0) != before {
			t.Errorf("%s (%d, %d) and %s (%d, %d) are out of order", a, timeA, seqA, b, timeB, seqB)
		}
	})
}

func TestMessage_MalformedJSONLeavesNothing(t *testing.T) {
	m := id.NewMessage(1, 2, [32]byte{})
	if err := m.UnmarshalText([]byte("x")); err == nil || m != (id.Message{}) {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestShard_IsEvenAndWithinTheCount(t *testing.T) {
	const count, each = 64, 200
	conversations, users := make([]int, count), make([]int, count)
	for i := range count * each {
		u := id.NewUser("user-"+itoa(i), "example.org")
		users[u.Shard(count)]++
		conversations[id.NewConversation(hashOf(i)).Shard(count)]++
	}
	// 200 expected with a deviation of 14: a fair spread stays within six of them.
	for s := range count {
		if n := users[s]; n < each-85 || n > each+85 {
			t.Errorf("shard %d has %d users", s, n)
		}
		if n := conversations[s]; n < each-85 || n > each+85 {
			t.Errorf("shard %d has %d conversations", s, n)
		}
	}
}

func TestShard_IsStable(t *testing.T) {
	c := id.NewConversation([32]byte{0, 1, 2, 3, 4, 5, 6, 0xff})
	for count, want := range map[int]id.Shard{1: 0, 2: 1, 16: 15, 256: 0xff, 1024: 0x2ff} {
		if got := c.Shard(count); got != want {
			t.Errorf("conversation of %d: got %d, want %d", count, got, want)
		}
	}
	// SHA-256("alice@example.org") is 7a64adf28737ea90….
	for count, want := range map[int]id.Shard{1: 0, 2: 0, 256: 0x90, 1024: 0x290} {
		if got := id.User("alice@example.org").Shard(count); got != want {
			t.Errorf("user of %d: got %d, want %d", count, got, want)
		}
	}
}
