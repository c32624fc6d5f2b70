// SPDX-License-Identifier: Apache-2.0

package canonical_test

import "strings"

const (
	about = "Signed JSON, version 1 (a profile of RFC 8785). Operation check: a receiver accepts the input bytes if " +
		"and only if result is valid. Where hash is present, it is the lower-case hexadecimal SHA-256 of " +
		"\"parley/v1/\" || domain || \"\\n\" || canonical form; domain is \"vector\" where it is absent; the canonical " +
		"form is output where present and otherwise the input. Subject: "
	aboutBase64 = "Operation base64: binary in signed objects is base64url without padding (RFC 4648 section 5), and " +
		"what does not re-encode to itself is refused. The input stands for the bytes outputHex."
)

// pick returns the notes with the given flags.
func pick(flags ...string) map[string]note {
	all := map[string]note{
		"Split":       {"CONSENSUS_SPLIT", "Parsers read the same bytes as different values, so that servers disagree on one signed history (class of CVE-2025-30355)."},
		"Repair":      {"MALLEABILITY", "An implementation that repairs instead of refusing accepts several spellings under one identity."},
		"Rounding":    {"CONSENSUS_SPLIT", "A parser of floating point rounds the number to one that is in range (CVE-2025-30355)."},
		"Duplicate":   {"PARSER_DIFFERENTIAL", "The first or the last of two members wins, depending on the parser."},
		"Surrogate":   {"PARSER_DIFFERENTIAL", "Half of a surrogate pair is dropped, replaced or kept, depending on the parser."},
		"Utf8":        {"PARSER_DIFFERENTIAL", "Ill-formed UTF-8 is replaced or kept, depending on the parser."},
		"Exhaustion":  {"DENIAL_OF_SERVICE", "Deep, wide or long input costs the receiver stack, memory or time."},
		"Boundary":    {"OFF_BY_ONE", "The last value within or the first value beyond a limit."},
		"KeyOrder":    {"WRONG_CANONICAL_FORM", "Members are not sorted by UTF-16 code units, or by something else such as length, locale or number."},
		"Escape":      {"WRONG_CANONICAL_FORM", "Characters are escaped that must not be, or in another form than RFC 8785 section 3.2.2.2 has."},
		"Space":       {"WRONG_CANONICAL_FORM", "White space stands where the canonical form has none."},
		"Lenient":     {"LENIENT_PARSER", "Not JSON, but many parsers accept it."},
		"Domain":      {"MISSING_DOMAIN_SEPARATION", "An object of one type is taken for one of another."},
		"Normalising": {"WRONG_CANONICAL_FORM", "Text is changed by Unicode normalisation, which canonical JSON does not do."},
		"Spelling":    {"MALLEABILITY", "A second base64 spelling of the same bytes slips past comparison and replay memory."},
	}
	out := map[string]note{}
	for _, f := range flags {
		out[f] = all[f]
	}
	return out
}

// vectorFiles returns all files of vectors by name.
func vectorFiles() map[string]vectorFile {
	check := func(subject string, notes map[string]note, tests []vector) vectorFile {
		return vectorFile{about + subject, "check", generator, notes, tests}
	}
	return map[string]vectorFile{
		"structure.json": check("the grammar and the shape of the whole.",
			pick("Repair", "Space", "Lenient"), structureCases()),
		"keys.json": check("keys, their order and uniqueness.",
			pick("Duplicate", "KeyOrder", "Boundary", "Escape", "Split", "Utf8"), keyCases()),
		"numbers.json": check("numbers.",
			pick("Split", "Rounding", "Boundary", "Lenient"), numberCases()),
		"strings.json": check("strings and their escapes.",
			pick("Escape", "Surrogate", "Lenient", "Normalising"), stringCases()),
		"encoding.json": check("UTF-8.",
			pick("Utf8", "Lenient", "Boundary"), encodingCases()),
		"limits.json": check("depth, width and size.",
			pick("Exhaustion", "Boundary"), limitCases()),
		"hashes.json": check("hashes and their domains.",
			pick("Domain"), hashCases()),
		"base64.json": {aboutBase64, "base64", generator, pick("Spelling", "Lenient"), base64Cases()},
	}
}

func structureCases() []vector {
	return []vector{
		good("structure-empty-object", `{}`, "the smallest object"),
		good("structure-all-kinds", `{"a":[],"b":{},"c":"","d":0,"e":true,"f":false,"g":null,"h":[1,"x",[null]]}`, "every kind of value"),
		good("structure-array-order", `{"a":[3,1,2]}`, "arrays keep their order"),
		bad("structure-empty", ``, "syntax", "no bytes at all"),
		bad("structure-only-space", " \n", "syntax", "white space only"),
		bad("structure-top-array", `[{}]`, "not_object", "an array at the top"),
		bad("structure-top-string", `"a"`, "not_object", "a string at the top"),
		bad("structure-top-number", `1`, "not_object", "a number at the top"),
		bad("structure-top-null", `null`, "not_object", "null at the top"),
		bad("structure-top-true", `true`, "not_object", "true at the top"),
		bad("structure-top-bracket", `}`, "syntax", "begins no value"),
		free("structure-trailing-newline", "{\"a\":1}\n", `{"a":1}`, "a line feed at the end", "Repair", "Space"),
		free("structure-trailing-space", `{"a":1} `, `{"a":1}`, "a space at the end", "Repair", "Space"),
		free("structure-leading-space", "\t{\"a\":1}", `{"a":1}`, "a tab at the beginning", "Repair", "Space"),
		free("structure-inner-space", `{"a": 1}`, `{"a":1}`, "a space after the colon", "Repair", "Space"),
		free("structure-indented", "{\r\n  \"a\": [\r\n    1\r\n  ]\r\n}", `{"a":[1]}`, "indented with CR LF", "Repair", "Space"),
		free("structure-space-in-empty", `{"a":[ ],"b":{ }}`, `{"a":[],"b":{}}`, "spaces in empty containers", "Repair", "Space"),
		bad("structure-two-values", `{}{}`, "trailing_data", "two objects"),
		bad("structure-two-lines", "{\"a\":1}\n{\"a\":2}", "trailing_data", "two objects on two lines"),
		bad("structure-trailing-text", `{"a":1}x`, "trailing_data", "a letter at the end"),
		bad("structure-trailing-nul", "{\"a\":1}\x00", "trailing_data", "a zero byte at the end", "Lenient"),
		bad("structure-trailing-nbsp", "{\"a\":1}\u00a0", "trailing_data", "a no-break space is no white space of JSON", "Lenient"),
		bad("structure-trailing-brace", `{"a":1}}`, "trailing_data", "one brace too many"),
		bad("structure-vertical-tab", "{\v\"a\":1}", "syntax", "a vertical tab is no white space of JSON", "Lenient"),
		bad("structure-trailing-comma", `{"a":1,}`, "syntax", "a comma after the last member", "Lenient"),
		bad("structure-array-trailing-comma", `{"a":[1,]}`, "syntax", "a comma after the last element", "Lenient"),
		bad("structure-double-comma", `{"a":1,,"b":2}`, "syntax", "two commas", "Lenient"),
		bad("structure-missing-comma", `{"a":1 "b":2}`, "syntax", "no comma", "Lenient"),
		bad("structure-missing-colon", `{"a" 1}`, "syntax", "no colon"),
		bad("structure-missing-value", `{"a":}`, "syntax", "no value"),
		bad("structure-unclosed", `{"a":1`, "syntax", "the end is missing"),
		bad("structure-unclosed-string", `{"a":"b`, "syntax", "the end of a string is missing"),
		bad("structure-mismatch", `{"a":[1}`, "syntax", "brackets that do not match"),
		bad("structure-comment", `{"a":1/*x*/}`, "syntax", "a comment", "Lenient"),
		bad("structure-single-quotes", `{'a':1}`, "syntax", "single quotes", "Lenient"),
		bad("structure-bare-key", `{a:1}`, "syntax", "a key without quotes", "Lenient"),
		bad("structure-number-key", `{1:2}`, "syntax", "a number as a key", "Lenient"),
		bad("structure-null-key", `{null:1}`, "syntax", "null as a key", "Lenient"),
		bad("structure-true-spelling", `{"a":True}`, "syntax", "a literal with a capital letter", "Lenient"),
		bad("structure-undefined", `{"a":undefined}`, "syntax", "undefined is no value", "Lenient"),
	}
}

func keyCases() []vector {
	k64 := strings.Repeat("k", 64)
	return []vector{
		good("key-order-ascii", `{"0":0,"9":0,"A":0,"Z":0,"_":0,"a":0,"z":0}`, "digits, capitals, underscore, small letters", "KeyOrder"),
		good("key-order-prefix", `{"a":0,"aA":0,"a_":0,"aa":0,"ab":0,"b":0}`, "a prefix comes first", "KeyOrder"),
		good("key-order-digits-as-text", `{"1":0,"10":0,"9":0}`, "digits are text, not numbers; JavaScript objects sort them otherwise", "KeyOrder"),
		good("key-case-matters", `{"A":1,"a":2}`, "keys that differ in case only are two keys"),
		good("key-same-in-two-objects", `{"a":{"a":{"a":1}},"b":{"a":1}}`, "one key in several objects"),
		good("key-proto", `{"__proto__":1,"constructor":2}`, "names that are special in JavaScript are plain keys", "Split"),
		good("key-length-64", `{"`+k64+`":1}`, "the longest key", "Boundary"),
		bad("key-length-65", `{"`+k64+`k":1}`, "bad_key", "one byte too long", "Boundary"),
		free("key-unsorted", `{"b":1,"a":2}`, `{"a":2,"b":1}`, "two keys in the wrong order", "KeyOrder"),
		free("key-unsorted-nested", `{"a":{"d":1,"c":2}}`, `{"a":{"c":2,"d":1}}`, "the wrong order within", "KeyOrder"),
		free("key-unsorted-in-array", `{"a":[{"d":1,"c":2}]}`, `{"a":[{"c":2,"d":1}]}`, "the wrong order within an array", "KeyOrder"),
		free("key-sorted-without-case", `{"a":1,"B":2}`, `{"B":2,"a":1}`, "sorted without regard to case", "KeyOrder"),
		free("key-sorted-by-length", `{"b":1,"aa":2}`, `{"aa":2,"b":1}`, "sorted by length, as in CBOR", "KeyOrder"),
		free("key-sorted-as-numbers", `{"9":1,"10":2}`, `{"10":2,"9":1}`, "sorted as numbers", "KeyOrder"),
		free("key-escaped", `{"\u0061":1}`, `{"a":1}`, "an escape in a key", "Escape"),
		free("key-escaped-order", `{"b":1,"\u0061":2}`, `{"a":2,"b":1}`, "the order is that of the meaning, not of the spelling", "Escape", "KeyOrder"),
		free("key-length-64-escaped", `{"\u006b`+k64[1:]+`":1}`, `{"`+k64+`":1}`, "the length is that of the meaning", "Escape", "Boundary"),
		bad("key-length-65-escaped", `{"\u006b`+k64+`":1}`, "bad_key", "one byte too long, with an escape", "Escape", "Boundary"),
		bad("key-duplicate", `{"a":1,"a":2}`, "duplicate_key", "the same key twice", "Duplicate"),
		bad("key-duplicate-same-value", `{"a":1,"a":1}`, "duplicate_key", "the same member twice", "Duplicate"),
		bad("key-duplicate-apart", `{"a":1,"b":2,"c":3,"a":4}`, "duplicate_key", "with others between", "Duplicate"),
		bad("key-duplicate-nested", `{"x":{"a":1,"a":2}}`, "duplicate_key", "twice in an inner object", "Duplicate"),
		bad("key-duplicate-in-array", `{"x":[{"a":1,"a":2}]}`, "duplicate_key", "twice in an object in an array", "Duplicate"),
		bad("key-duplicate-escaped", `{"a":1,"\u0061":2}`, "duplicate_key", "the second is escaped", "Duplicate", "Escape"),
		bad("key-duplicate-both-escaped", `{"sende\u0072":1,"s\u0065nder":2}`, "duplicate_key", "escaped in two ways", "Duplicate", "Escape"),
		bad("key-duplicate-proto", `{"__proto__":1,"__proto__":2}`, "duplicate_key", "a special name twice", "Duplicate", "Split"),
		bad("key-empty", `{"":1}`, "bad_key", "the empty key"),
		bad("key-hyphen", `{"a-b":1}`, "bad_key", "a hyphen"),
		bad("key-dot", `{"a.b":1}`, "bad_key", "a dot"),
		bad("key-space", `{"a ":1}`, "bad_key", "a space"),
		bad("key-nul", `{"a\u0000":1}`, "bad_key", "a zero character, at which C strings end", "Split"),
		bad("key-escaped-quote", `{"a\"":1}`, "bad_key", "a quote"),
		bad("key-non-ascii", `{"é":1}`, "bad_key", "a letter beyond ASCII", "Utf8"),
		bad("key-non-ascii-escaped", `{"\u00e9":1}`, "bad_key", "a letter beyond ASCII, escaped", "Utf8"),
		bad("key-cyrillic-a", `{"а":1}`, "bad_key", "a Cyrillic letter that looks like a", "Utf8"),
		bad("key-utf16-order", `{"😀":1,"ﬁ":2}`, "bad_key", "in order of UTF-16 but not of UTF-8; the profile has no such keys", "KeyOrder", "Utf8"),
		bad("key-nested-bad", `{"a":[{"b":{"c d":1}}]}`, "bad_key", "a bad key deep within"),
		bad("key-surrogate", `{"\ud800":1}`, "lone_surrogate", "half of a pair in a key", "Split"),
	}
}

func numberCases() []vector {
	return []vector{
		good("number-zero", `{"n":0}`, "zero"),
		good("number-negative", `{"n":-1}`, "minus one"),
		good("number-largest", `{"n":9007199254740991}`, "2^53-1", "Boundary"),
		good("number-smallest", `{"n":-9007199254740991}`, "-(2^53-1)", "Boundary"),
		good("number-powers", `{"n":[1,10,100,1000000000000000,4294967296,-2147483648]}`, "no exponent however many zeros"),
		good("number-as-string", `{"n":"9007199254740993"}`, "digits in a string are text"),
		bad("number-2pow53", `{"n":9007199254740992}`, "number_out_of_range", "2^53, which 2^53+1 rounds to", "Boundary", "Split"),
		bad("number-minus-2pow53", `{"n":-9007199254740992}`, "number_out_of_range", "-2^53", "Boundary", "Split"),
		bad("number-2pow53-plus-1", `{"n":9007199254740993}`, "number_out_of_range", "not a double", "Split", "Rounding"),
		bad("number-2pow63-minus-1", `{"n":9223372036854775807}`, "number_out_of_range", "the largest 64-bit integer", "Split", "Rounding"),
		bad("number-2pow63", `{"n":9223372036854775808}`, "number_out_of_range", "overflows 64-bit integers", "Split"),
		bad("number-2pow64-plus-1", `{"n":18446744073709551617}`, "number_out_of_range", "1 if 64 bits wrap around", "Split"),
		bad("number-20-digits", `{"n":10000000000000000000}`, "number_out_of_range", "twenty digits", "Split"),
		bad("number-400-digits", `{"n":1`+strings.Repeat("0", 399)+`}`, "number_out_of_range", "infinite as a double", "Split", "Rounding"),
		bad("number-out-of-range-nested", `{"a":[{"n":[1,9007199254740992]}]}`, "number_out_of_range", "deep within", "Split"),
		bad("number-depth-cve", `{"depth":9223372036854775807,"type":"message"}`, "number_out_of_range", "the shape of the event that broke federations", "Split"),
		bad("number-1e400", `{"n":1e400}`, "number_not_integer", "some parsers make the largest double of it", "Rounding"),
		bad("number-minus-1e400", `{"n":-1e400}`, "number_not_integer", "likewise, negative", "Rounding"),
		bad("number-1e-400", `{"n":1e-400}`, "number_not_integer", "zero as a double", "Rounding"),
		bad("number-huge-exponent", `{"n":1e99999999999999999999}`, "number_not_integer", "the exponent overflows", "Rounding"),
		bad("number-1.0", `{"n":1.0}`, "number_not_integer", "an integer with a fraction of zero", "Split"),
		bad("number-1.5", `{"n":1.5}`, "number_not_integer", "a fraction"),
		bad("number-0.0", `{"n":0.0}`, "number_not_integer", "zero with a fraction", "Split"),
		bad("number-rounds-up", `{"n":9007199254740991.4}`, "number_not_integer", "rounds to the largest integer", "Rounding"),
		bad("number-1e2", `{"n":1e2}`, "number_not_integer", "an integer with an exponent", "Split"),
		bad("number-capital-exponent", `{"n":1E2}`, "number_not_integer", "a capital E", "Split"),
		bad("number-signed-exponent", `{"n":1e+2}`, "number_not_integer", "an exponent with a sign", "Split"),
		bad("number-zero-exponent", `{"n":5e0}`, "number_not_integer", "an exponent of zero", "Split"),
		bad("number-minus-zero", `{"n":-0}`, "number_negative_zero", "RFC 8785 would write 0", "Split"),
		bad("number-minus-zero-fraction", `{"n":-0.0}`, "number_not_integer", "negative zero with a fraction", "Split"),
		bad("number-leading-zero", `{"n":01}`, "syntax", "a leading zero; octal to some", "Lenient"),
		bad("number-two-zeros", `{"n":00}`, "syntax", "two zeros", "Lenient"),
		bad("number-plus", `{"n":+1}`, "syntax", "a plus sign", "Lenient"),
		bad("number-no-integer-part", `{"n":.5}`, "syntax", "begins with the point", "Lenient"),
		bad("number-no-fraction", `{"n":1.}`, "syntax", "ends with the point", "Lenient"),
		bad("number-no-exponent", `{"n":1e}`, "syntax", "ends with the e", "Lenient"),
		bad("number-only-minus", `{"n":-}`, "syntax", "a sign alone", "Lenient"),
		bad("number-two-signs", `{"n":--1}`, "syntax", "two signs", "Lenient"),
		bad("number-hexadecimal", `{"n":0x10}`, "syntax", "hexadecimal", "Lenient"),
		bad("number-underscore", `{"n":1_000}`, "syntax", "digits in groups", "Lenient"),
		bad("number-nan", `{"n":NaN}`, "syntax", "not a number", "Lenient"),
		bad("number-infinity", `{"n":Infinity}`, "syntax", "infinity", "Lenient"),
		bad("number-minus-infinity", `{"n":-Infinity}`, "syntax", "minus infinity", "Lenient"),
		bad("number-wide-digits", `{"n":１}`, "syntax", "a digit of full width", "Lenient"),
		bad("number-bigint", `{"n":1n}`, "syntax", "a suffix", "Lenient"),
	}
}

func hashCases() []vector {
	entry := `{"seq":1,"version":1}`
	under := func(id, domain, in, comment string) vector {
		return hashed(input(id, in, comment, []string{"Domain"}), domain, in)
	}
	return []vector{
		under("hash-create", "create", entry, "one object as one type"),
		under("hash-entry", "entry", entry, "the same object as another type"),
		under("hash-entry-next", "entry", `{"seq":2,"version":1}`, "another object of the same type"),
		under("hash-empty-object", "entry", `{}`, "the smallest object"),
		under("hash-block-edge", "entry", `{"text":"`+strings.Repeat("x", 101)+`"}`, "the hashed message is 128 bytes long, two whole blocks"),
		under("hash-long", "entry", `{"text":"`+strings.Repeat("0123456789", 200)+`"}`, "a message of many blocks"),
	}
}
