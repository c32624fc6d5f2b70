// SPDX-License-Identifier: Apache-2.0

package id_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"
)

var notes = map[string]note{
	"Boundary":  {"OFF_BY_ONE", "The last value within or the first value beyond a limit."},
	"Case":      {"IDENTITY_CONFUSION", "Identifiers that differ in case are taken for one, or one for two."},
	"Spelling":  {"MALLEABILITY", "A second spelling of the same identifier slips past comparison."},
	"Unicode":   {"IDENTITY_CONFUSION", "Characters outside ASCII are folded into ones inside it."},
	"Lenient":   {"LENIENT_PARSER", "Malformed, but many parsers accept it."},
	"Order":     {"ORDER_LOST", "The text form does not sort as hub time and seq do."},
	"Placement": {"MISPLACED_DATA", "Nodes disagree which shard holds a conversation or user."},
}

// file makes a file of vectors with the notes its flags need.
func file(operation, description string, tests ...vector) vectorFile {
	f := vectorFile{
		Description: "Identifiers. Operation " + operation + ": " + description,
		Operation:   operation, Generator: generator, Notes: map[string]note{}, Tests: tests,
	}
	for _, v := range tests {
		for _, flag := range v.Flags {
			f.Notes[flag] = notes[flag]
		}
	}
	return f
}

// good is accepted as it stands; bad is refused.
func good(name, in, comment string, flags ...string) vector {
	return vector{ID: name, Comment: comment, Flags: append([]string{}, flags...), Input: &in, Output: in, Result: "valid"}
}

func bad(name, in, comment string, flags ...string) vector {
	v := good(name, in, comment, flags...)
	v.Output, v.Result, v.Error = "", "invalid", "invalid_field"
	return v
}

// becomes is accepted and has another normal form.
func becomes(name, in, out, comment string, flags ...string) vector {
	v := good(name, in, comment, flags...)
	v.Output = out
	return v
}

const accepts = "an implementation accepts the input if and only if result is valid; output is the identifier, or its normal form."

func vectorFiles() map[string]vectorFile {
	return map[string]vectorFile{
		"servers.json":             file("server", accepts, serverCases()...),
		"users.json":               file("user", accepts, userCases()...),
		"usernames.json":           file("username", accepts, usernameCases()...),
		"devices.json":             file("device", accepts, ulidCases("device")...),
		"messages.json":            file("message", "output is composed of hubTime in milliseconds, seq and the submission hash; an invalid input is no message id.", messageCases()...),
		"conversations.json":       file("conversation", accepts, conversationCases()...),
		"conversation-ids.json":    file("conversationId", "output is the conversation id of the hash of a create event.", conversationIDCases()...),
		"user-shards.json":         file("userShard", "the logical shard of a user among a number of shards.", userShardCases()...),
		"conversation-shards.json": file("conversationShard", "the logical shard of a conversation among a number of shards.", conversationShardCases()...),
	}
}

func serverCases() []vector {
	long := strings.Repeat(label(62)+".", 4)
	return []vector{
		good("server-name", "example.org", "a name"),
		good("server-one-label", "localhost", "one label"),
		good("server-port", "example.org:8448", "with a port"),
		good("server-address", "127.0.0.1:1", "digits and the lowest port", "Boundary"),
		good("server-punycode", "xn--bcher-kva.example", "an internationalised name in its ASCII form"),
		good("server-label-63", label(63)+".org", "a label of 63 characters", "Boundary"),
		good("server-255", long+label(3), "255 characters", "Boundary"),
		bad("server-256", long+label(4), "256 characters", "Boundary"),
		bad("server-label-64", label(64)+".org", "a label of 64 characters", "Boundary"),
		bad("server-empty", "", "no characters"),
		bad("server-upper", "Example.org", "upper case", "Case"),
		bad("server-dot-end", "example.org.", "a dot at the end", "Spelling"),
		bad("server-dot-begin", ".example.org", "an empty label at the beginning"),
		bad("server-two-dots", "example..org", "an empty label"),
		bad("server-hyphen", "-a.org", "a label begins with a hyphen"),
		bad("server-hyphen-end", "a-.org", "a label ends with a hyphen"),
		bad("server-underscore", "a_b.org", "an underscore"),
		bad("server-unicode", "bücher.example", "characters outside ASCII", "Unicode"),
		bad("server-kelvin", "\u212A.org", "a Kelvin sign", "Unicode"),
		bad("server-no-port", "example.org:", "a colon without a port", "Lenient"),
		bad("server-port-zero", "example.org:0", "port 0", "Boundary"),
		bad("server-port-leading-zero", "example.org:080", "a port with a leading zero", "Spelling"),
		bad("server-port-long", "example.org:123456", "a port of six digits", "Boundary"),
		bad("server-ipv6", "[::1]:8448", "an address in brackets"),
		bad("server-scheme", "https://example.org", "an address of the web", "Lenient"),
		bad("server-newline", "example.org\n", "a line feed at the end", "Lenient"),
		bad("server-space", " example.org", "a space at the beginning", "Lenient"),
	}
}

func userCases() []vector {
	return []vector{
		good("user-name", "alice@example.org", "a user"),
		good("user-port", "alice@localhost:8448", "a server with a port"),
		good("user-signs", "._-0@b", "all the signs of a username"),
		good("user-64", label(64)+"@a", "a username of 64 characters", "Boundary"),
		bad("user-65", label(65)+"@a", "a username of 65 characters", "Boundary"),
		bad("user-empty", "", "no characters"),
		bad("user-no-server", "alice", "no server"),
		bad("user-empty-server", "alice@", "an empty server"),
		bad("user-empty-name", "@example.org", "an empty name"),
		bad("user-upper-name", "Alice@example.org", "upper case in the name", "Case"),
		bad("user-upper-server", "alice@Example.org", "upper case in the server", "Case"),
		bad("user-two-at", "alice@b@c", "two at signs"),
		bad("user-matrix", "@alice:example.org", "the form of Matrix"),
		bad("user-plus", "a+b@c", "a plus sign"),
		bad("user-newline", "alice@example.org\n", "a line feed at the end", "Lenient"),
		bad("user-nul", "alice\x00@example.org", "a zero byte", "Lenient"),
		bad("user-kelvin", "\u212Aate@example.org", "a Kelvin sign", "Unicode"),
		bad("user-bad-server", "alice@b..c", "a server that is none"),
	}
}

func usernameCases() []vector {
	return []vector{
		good("username-plain", "alice", "in normal form"),
		becomes("username-upper", "ALICE.B_c-9", "alice.b_c-9", "upper case is lowered", "Case"),
		good("username-64", label(64), "64 characters", "Boundary"),
		bad("username-65", label(65), "65 characters", "Boundary"),
		bad("username-empty", "", "no characters", "Boundary"),
		bad("username-kelvin", "\u212Aate", "the lower case of the Kelvin sign is k", "Unicode"),
		bad("username-dotted-i", "al\u0130ce", "the lower case of a dotted capital I begins with i", "Unicode"),
		bad("username-long-s", "\u017Fam", "the upper case of the long s is S", "Unicode"),
		bad("username-fullwidth", "\uFF41lice", "a full-width letter", "Unicode"),
		bad("username-at", "alice@b", "an at sign"),
		bad("username-space", "al ice", "a space"),
		bad("username-newline", "alice\n", "a line feed at the end", "Lenient"),
	}
}

func ulidCases(kind string) []vector {
	const u = "01J9ZK3V8Q2M6T4R7X5W1Y0ABC"
	return []vector{
		good(kind+"-ulid", u, "a ULID"),
		good(kind+"-lowest", strings.Repeat("0", 26), "the lowest", "Boundary"),
		good(kind+"-highest", "7"+strings.Repeat("Z", 25), "the highest", "Boundary"),
		bad(kind+"-overflow", "8"+strings.Repeat("0", 25), "beyond 128 bits", "Boundary"),
		bad(kind+"-short", u[1:], "25 characters", "Boundary"),
		bad(kind+"-long", u+"0", "27 characters", "Boundary"),
		bad(kind+"-lower", strings.ToLower(u), "lower case", "Case"),
		bad(kind+"-letter-i", u[:25]+"I", "I is read as 1 by lenient decoders", "Spelling"),
		bad(kind+"-letter-l", u[:25]+"L", "L is read as 1 by lenient decoders", "Spelling"),
		bad(kind+"-letter-o", u[:25]+"O", "O is read as 0 by lenient decoders", "Spelling"),
		bad(kind+"-letter-u", u[:25]+"U", "U is not in the alphabet", "Lenient"),
		bad(kind+"-hyphen", u[:25]+"-", "a hyphen", "Lenient"),
		bad(kind+"-empty", "", "no characters"),
	}
}

// compose makes the expected message id without the package.
func compose(name string, time, seq int64, comment string, flags ...string) vector {
	sum := sha256.Sum256([]byte(name))
	var raw ulid.ULID
	copy(raw[:6], binary.BigEndian.AppendUint64(nil, uint64(time))[2:])
	copy(raw[6:11], binary.BigEndian.AppendUint64(nil, uint64(seq))[3:])
	copy(raw[11:], sum[:5])
	return vector{
		ID: name, Comment: comment, Flags: append([]string{}, flags...), HubTime: &time, Seq: &seq,
		SubmissionHash: hex.EncodeToString(sum[:]), Output: raw.String(), Result: "valid",
	}
}

func messageCases() []vector {
	out := []vector{
		compose("message-first", 1790000000000, 0, "the first entry"),
		compose("message-same-time", 1790000000000, 1, "the next entry in the same millisecond", "Order"),
		compose("message-carry", 1790000000000, 256, "seq fills more than one byte", "Order"),
		compose("message-next-time", 1790000000001, 2, "a later entry", "Order"),
		compose("message-zero", 0, 0, "the lowest time and seq", "Boundary"),
		compose("message-last", 1<<48-1, 1<<40-1, "the highest time and seq", "Boundary"),
	}
	for _, v := range ulidCases("message-text") {
		if v.Result == "invalid" {
			out = append(out, v)
		}
	}
	return out
}

func conversationID(sum [32]byte) string { return "c" + base64.RawURLEncoding.EncodeToString(sum[:]) }

func conversationCases() []vector {
	c := conversationID(sha256.Sum256([]byte("conversation")))
	zero := "c" + strings.Repeat("A", 43)
	return []vector{
		good("conversation-id", c, "a hash"),
		good("conversation-zero", zero, "the zero hash", "Boundary"),
		good("conversation-signs", conversationID([32]byte{0xfb, 0xff, 0xbf}), "the two signs of base64url"),
		bad("conversation-prefix", c[1:], "without the c"),
		bad("conversation-upper-prefix", "C"+c[1:], "with an upper case C", "Case"),
		bad("conversation-short", c[:43], "one character less", "Boundary"),
		bad("conversation-long", c+"A", "one character more", "Boundary"),
		bad("conversation-unused-bits", zero[:43]+"B", "bits that stand for nothing are set", "Spelling"),
		bad("conversation-padding", zero+"=", "with padding", "Spelling"),
		bad("conversation-newline", zero[:43]+"\n", "a line feed in place of the last character", "Lenient"),
		bad("conversation-inner-newline", "c\n"+zero[2:], "a line feed within", "Lenient"),
		bad("conversation-plus", "c+"+zero[2:], "a sign of standard base64", "Spelling"),
		bad("conversation-slash", "c/"+zero[2:], "a sign of standard base64", "Spelling"),
		bad("conversation-empty", "", "no characters"),
	}
}

func conversationIDCases() []vector {
	var out []vector
	for _, c := range [][2]string{
		{strings.Repeat("00", 32), "the zero hash"}, {strings.Repeat("ff", 32), "all bits set"},
		{"fbffbf" + strings.Repeat("00", 29), "the two signs of base64url"},
	} {
		sum, _ := hex.DecodeString(c[0])
		v := becomes(fmt.Sprint("conversation-of-hash-", len(out)), c[0], conversationID([32]byte(sum)), c[1])
		out = append(out, v)
	}
	return out
}

// placed makes the expected shard without the package: the first eight bytes, big endian, modulo the count.
func placed(name, in string, sum [32]byte, count int, comment string) vector {
	shard := int32(binary.BigEndian.Uint64(sum[:8]) % uint64(count))
	return vector{ID: name, Comment: comment, Flags: []string{"Placement"}, Input: &in, Shards: count, Shard: &shard, Result: "valid"}
}

func userShardCases() (out []vector) {
	for _, u := range []string{"alice@example.org", "bob@example.org", "alice@localhost:8448"} {
		for _, count := range []int{1, 16, 256, 1024} {
			out = append(out, placed(fmt.Sprintf("shard-of-user-%d", len(out)), u, sha256.Sum256([]byte(u)), count,
				fmt.Sprintf("%s among %d", u, count)))
		}
	}
	return out
}

func conversationShardCases() (out []vector) {
	for _, sum := range [][32]byte{{}, {0, 1, 2, 3, 4, 5, 6, 0xff}, sha256.Sum256([]byte("conversation"))} {
		for _, count := range []int{1, 16, 256, 1024} {
			out = append(out, placed(fmt.Sprintf("shard-of-conversation-%d", len(out)), conversationID(sum), sum, count,
				fmt.Sprintf("among %d", count)))
		}
	}
	return out
}
