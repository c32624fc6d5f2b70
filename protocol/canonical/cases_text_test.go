// SPDX-License-Identifier: Apache-2.0

package canonical_test

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// s wraps the inside of a string literal in an object.
func s(inside string) string {
	return `{"s":"` + inside + `"}`
}

func stringCases() []vector {
	return []vector{
		good("string-plain", s(`Hello, world`), "plain text"),
		good("string-controls", s(`\u0000\u0001\u0007\b\t\n\u000b\f\r\u000e\u001f`), "control characters in their one form", "Escape"),
		good("string-quote-backslash", s(`\"\\`), "the two other characters that are escaped", "Escape"),
		good("string-slash", s(`/`), "a slash is not escaped", "Escape"),
		good("string-html", s(`<a href='x'>&</a>`), "nothing is escaped for HTML", "Escape"),
		good("string-line-separators", s("\u2028\u2029"), "nothing is escaped for JavaScript", "Escape"),
		good("string-delete", s("\x7f\u0080\u009f"), "DEL and C1 controls are not escaped", "Escape"),
		good("string-zero-width", s("\u200b\u202e\u00ad"), "invisible characters are not escaped", "Escape"),
		good("string-beyond-bmp", s("😀𝄞"), "characters beyond the basic plane are not escaped", "Escape"),
		good("string-composed", s("\u00c5"), "A with ring, composed", "Normalising"),
		good("string-decomposed", s("A\u030a"), "A with ring, decomposed; another text", "Normalising"),
		good("string-angstrom", s("\u212b"), "the sign that normalisation would replace", "Normalising"),
		good("string-replacement", s("\ufffd"), "the replacement character itself is text"),
		good("string-noncharacter", s("\ufffe\uffff\U0010ffff"), "noncharacters are well-formed"),
		free("string-rfc8785", s(`\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/`), s(`€$\u000f\nA'B\"\\\\\"/`), "the example of RFC 8785 section 3.2.2", "Escape"),
		free("string-capital-hex", s(`\u001F`), s(`\u001f`), "capital hexadecimal digits", "Escape"),
		free("string-mixed-hex", s(`\u00E9`), s(`é`), "an escaped letter", "Escape"),
		free("string-escaped-letter", s(`\u0041`), s(`A`), "an escaped ASCII letter", "Escape"),
		free("string-escaped-slash", s(`\/`), s(`/`), "an escaped slash", "Escape"),
		free("string-escaped-html", s(`\u003c\u0026`), s(`<&`), "escaped for HTML", "Escape"),
		free("string-escaped-separators", s(`\u2028\u2029`), s("\u2028\u2029"), "escaped for JavaScript", "Escape"),
		free("string-escaped-delete", s(`\u007f`), s("\x7f"), "DEL escaped", "Escape"),
		free("string-long-backspace", s(`\u0008`), s(`\b`), "backspace in the long form", "Escape"),
		free("string-long-tab", s(`\u0009`), s(`\t`), "tab in the long form", "Escape"),
		free("string-long-line-feed", s(`\u000a`), s(`\n`), "line feed in the long form", "Escape"),
		free("string-long-form-feed", s(`\u000c`), s(`\f`), "form feed in the long form", "Escape"),
		free("string-long-return", s(`\u000d`), s(`\r`), "carriage return in the long form", "Escape"),
		free("string-long-quote", s(`\u0022`), s(`\"`), "quote in the long form", "Escape"),
		free("string-long-backslash", s(`\u005C`), s(`\\`), "backslash in the long form", "Escape"),
		free("string-escaped-pair", s(`\ud83d\ude00`), s("😀"), "a pair of surrogates", "Escape", "Surrogate"),
		free("string-escaped-last", s(`\uDBFF\uDFFF`), s("\U0010ffff"), "the last pair, with capital digits", "Escape", "Surrogate"),
		free("string-escaped-bmp-end", s(`\uffff`), s("\uffff"), "the last character of the basic plane", "Escape"),
		bad("string-lone-high", s(`\ud800`), "lone_surrogate", "the first half alone", "Surrogate"),
		bad("string-lone-high-last", s(`\udbff!`), "lone_surrogate", "the last first half, followed by text", "Surrogate"),
		bad("string-lone-low", s(`\udc00`), "lone_surrogate", "the second half alone", "Surrogate"),
		bad("string-lone-low-capital", s(`a\uDFFFb`), "lone_surrogate", "the second half alone, capital digits", "Surrogate"),
		bad("string-reversed-pair", s(`\ude00\ud83d`), "lone_surrogate", "the halves in the wrong order", "Surrogate"),
		bad("string-high-high", s(`\ud83d\ud83d\ude00`), "lone_surrogate", "the first half twice", "Surrogate"),
		bad("string-high-letter", s(`\ud83d\u0041`), "lone_surrogate", "the first half and a letter", "Surrogate"),
		bad("string-high-newline", s(`\ud83d\n\ude00`), "lone_surrogate", "the halves apart", "Surrogate"),
		bad("string-raw-line-feed", s("a\nb"), "syntax", "a control character that is not escaped", "Lenient"),
		bad("string-raw-tab", s("\t"), "syntax", "a tab that is not escaped", "Lenient"),
		bad("string-raw-nul", s("\x00"), "syntax", "a zero byte", "Lenient"),
		bad("string-raw-unit-separator", s("\x1f"), "syntax", "the last control character", "Lenient"),
		bad("string-escape-x", s(`\x41`), "syntax", "no escape of JSON", "Lenient"),
		bad("string-escape-quote", s(`\'`), "syntax", "no escape of JSON", "Lenient"),
		bad("string-escape-capital-u", s(`\U00000041`), "syntax", "no escape of JSON", "Lenient"),
		bad("string-escape-braces", s(`\u{41}`), "syntax", "an escape of JavaScript", "Lenient"),
		bad("string-escape-line", s("\\\n"), "syntax", "a line continued", "Lenient"),
		bad("string-short-escape", s(`\u12`), "syntax", "two hexadecimal digits are missing", "Lenient"),
		bad("string-sign-in-escape", s(`\u+041`), "syntax", "a sign in an escape", "Lenient"),
	}
}

func encodingCases() []vector {
	return []vector{
		good("utf8-two-bytes", s("\u0080\u07ff"), "the bounds of two bytes", "Boundary"),
		good("utf8-three-bytes", s("\u0800\ud7ff\ue000\uffff"), "the bounds of three bytes, around the surrogates", "Boundary"),
		good("utf8-four-bytes", s("\U00010000\U0010ffff"), "the bounds of four bytes", "Boundary"),
		good("utf8-bom-inside", s("\ufeff"), "U+FEFF in a string is text"),
		bad("utf8-bom", "\xef\xbb\xbf{}", "byte_order_mark", "a byte order mark", "Lenient"),
		bad("utf8-bom-twice", "\xef\xbb\xbf\xef\xbb\xbf{}", "byte_order_mark", "two byte order marks", "Lenient"),
		bad("utf8-bom-trailing", "{}\xef\xbb\xbf", "trailing_data", "a byte order mark at the end", "Lenient"),
		bad("utf8-bom-between", "{\xef\xbb\xbf}", "syntax", "a byte order mark as white space", "Lenient"),
		bad("utf8-utf16-le", "\xff\xfe{\x00}\x00", "not_utf8", "UTF-16 with a byte order mark, little endian", "Utf8"),
		bad("utf8-utf16-be", "\xfe\xff\x00{\x00}", "not_utf8", "UTF-16 with a byte order mark, big endian", "Utf8"),
		bad("utf8-utf16-no-bom", "{\x00}\x00", "syntax", "UTF-16 without a byte order mark", "Lenient"),
		bad("utf8-overlong-nul", s("\xc0\x80"), "not_utf8", "zero in two bytes, as in Java", "Utf8"),
		bad("utf8-overlong-slash-2", s("\xc0\xaf"), "not_utf8", "a slash in two bytes", "Utf8"),
		bad("utf8-overlong-slash-3", s("\xe0\x80\xaf"), "not_utf8", "a slash in three bytes", "Utf8"),
		bad("utf8-overlong-slash-4", s("\xf0\x80\x80\xaf"), "not_utf8", "a slash in four bytes", "Utf8"),
		bad("utf8-overlong-quote", "{\"s\":\"\xc0\xa2}", "not_utf8", "a quote in two bytes", "Utf8"),
		bad("utf8-overlong-largest-2", s("\xc1\xbf"), "not_utf8", "U+007F in two bytes", "Utf8", "Boundary"),
		bad("utf8-overlong-largest-3", s("\xe0\x9f\xbf"), "not_utf8", "U+07FF in three bytes", "Utf8", "Boundary"),
		bad("utf8-overlong-largest-4", s("\xf0\x8f\xbf\xbf"), "not_utf8", "U+FFFF in four bytes", "Utf8", "Boundary"),
		bad("utf8-surrogate-first", s("\xed\xa0\x80"), "not_utf8", "U+D800 in three bytes", "Utf8", "Boundary"),
		bad("utf8-surrogate-last", s("\xed\xbf\xbf"), "not_utf8", "U+DFFF in three bytes", "Utf8", "Boundary"),
		bad("utf8-cesu-pair", s("\xed\xa0\xbd\xed\xb8\x80"), "not_utf8", "a pair of surrogates in six bytes (CESU-8)", "Utf8"),
		bad("utf8-beyond-unicode", s("\xf4\x90\x80\x80"), "not_utf8", "U+110000", "Utf8", "Boundary"),
		bad("utf8-five-bytes", s("\xf8\x88\x80\x80\x80"), "not_utf8", "a form of five bytes", "Utf8"),
		bad("utf8-ff", s("\xff"), "not_utf8", "a byte that never occurs", "Utf8"),
		bad("utf8-lone-continuation", s("\x80"), "not_utf8", "a continuation byte alone", "Utf8"),
		bad("utf8-latin-1", s("caf\xe9"), "not_utf8", "Latin-1", "Utf8"),
		bad("utf8-truncated-in-string", s("\xe2\x82"), "not_utf8", "the last byte of three is missing", "Utf8"),
		bad("utf8-truncated-at-end", "{\"s\":\"\xf0\x9f\x98", "not_utf8", "the input ends within a character", "Utf8"),
		bad("utf8-in-key", "{\"a\xff\":1}", "not_utf8", "in a key", "Utf8"),
		bad("utf8-after-end", "{}\xff", "not_utf8", "after the object", "Utf8"),
		bad("utf8-between", "{\xa0\"a\":1}", "not_utf8", "between tokens", "Utf8"),
	}
}

// members returns an object of n members in canonical order, each with the given value.
func members(n int, value string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`"k%03d":%s`, i, value)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// nested returns an object that is n levels deep, the rest of the levels being made of open and close.
func nested(n int, open, end string) string {
	return `{"a":` + strings.Repeat(open, n-1) + "1" + strings.Repeat(end, n-1) + "}"
}

// sized returns an object of n bytes.
func sized(n int) string {
	return s(strings.Repeat("x", n-len(s(""))))
}

func limitCases() []vector {
	return []vector{
		good("limit-depth-16-objects", nested(16, `{"a":`, "}"), "sixteen objects", "Boundary"),
		good("limit-depth-16-arrays", nested(16, "[", "]"), "an object and fifteen arrays", "Boundary"),
		good("limit-depth-16-empty", `{"a":`+strings.Repeat("[", 15)+strings.Repeat("]", 15)+"}", "the innermost array is empty", "Boundary"),
		bad("limit-depth-17-objects", nested(17, `{"a":`, "}"), "too_deep", "seventeen objects", "Boundary"),
		bad("limit-depth-17-arrays", nested(17, "[", "]"), "too_deep", "an object and sixteen arrays", "Boundary"),
		bad("limit-depth-17-empty", `{"a":`+strings.Repeat("[", 16)+strings.Repeat("]", 16)+"}", "too_deep", "the array that is too deep is empty", "Boundary"),
		bad("limit-depth-unclosed", `{"a":`+strings.Repeat("[", 2000), "too_deep", "refused before the end is looked for", "Exhaustion"),
		good("limit-depth-twice", `{"a":`+nested(15, "[", "]")+`,"b":`+nested(15, "[", "]")+"}", "depth does not add up over siblings"),
		good("limit-members-256", members(256, "1"), "256 members", "Boundary"),
		bad("limit-members-257", members(257, "1"), "too_many_members", "257 members", "Boundary"),
		good("limit-members-256-each", `{"a":`+members(256, "{}")+`,"b":`+members(256, "[]")+"}", "each object is counted for itself", "Boundary"),
		bad("limit-members-257-nested", `{"a":[`+members(257, "0")+"]}", "too_many_members", "in an inner object", "Boundary"),
		good("limit-elements-1000", `{"a":[0`+strings.Repeat(",0", 999)+"]}", "arrays are bounded by size only"),
		good("limit-size-65536", sized(65536), "64 KiB", "Boundary"),
		bad("limit-size-65537", sized(65537), "too_large", "one byte too long", "Boundary", "Exhaustion"),
	}
}

func base64Cases() []vector {
	valid := func(id, in, outHex, comment string) vector {
		v := input(id, in, comment, nil)
		v.Result, v.OutputHex = "valid", outHex
		return v
	}
	refused := func(id, in, comment string, flags ...string) vector {
		return bad("base64-"+id, in, "bad_base64", comment, flags...)
	}
	return []vector{
		valid("base64-empty", "", "", "no bytes"),
		valid("base64-one", "Zg", hex.EncodeToString([]byte("f")), "one byte"),
		valid("base64-two", "Zm8", hex.EncodeToString([]byte("fo")), "two bytes"),
		valid("base64-three", "Zm9v", hex.EncodeToString([]byte("foo")), "three bytes"),
		valid("base64-alphabet", "-_-_", "fbffbf", "the two characters of base64url"),
		valid("base64-hash", strings.Repeat("A", 42)+"E", strings.Repeat("00", 31)+"01", "32 bytes"),
		refused("unused-bits-4", "Zh", "the unused four bits of the last character are not zero", "Spelling"),
		refused("unused-bits-2", "Zm9", "the unused two bits of the last character are not zero", "Spelling"),
		refused("padded", "Zg==", "padding", "Spelling"),
		refused("padded-1", "Zm8=", "padding of one", "Spelling"),
		refused("standard-alphabet", "+/+/", "the alphabet of plain base64", "Spelling"),
		refused("line-feed-inside", "Zm\n9v", "a line feed, which some decoders skip", "Spelling", "Lenient"),
		refused("line-feed-end", "Zm9v\n", "a line feed at the end", "Spelling", "Lenient"),
		refused("return-end", "Zg\r\n", "CR LF at the end", "Spelling", "Lenient"),
		refused("only-line-feed", "\n", "a line feed and nothing else", "Spelling", "Lenient"),
		refused("space", "Zm 9v", "a space", "Spelling", "Lenient"),
		refused("length-1", "Z", "one character is no byte", "Lenient"),
		refused("length-5", "Zm9vZ", "five characters", "Lenient"),
		refused("nul", "Zm9v\x00", "a zero byte at the end", "Lenient"),
		refused("non-ascii", "Zm9é", "a letter beyond ASCII", "Lenient"),
	}
}
