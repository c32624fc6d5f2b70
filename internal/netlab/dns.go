// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Numbers of the DNS (RFC 1035, RFC 2782).
const (
	typeA   = 1
	typeSRV = 33
	classIN = 1

	codeOK             = 0
	codeNoName         = 3
	codeNotImplemented = 4

	headerSize = 12
	timeToLive = 1 // in seconds: names change under way
)

// question is what is asked.
type question struct {
	id     uint16
	opcode byte
	name   string // lower-case, without a dot at the end
	kind   uint16
	class  uint16
	raw    []byte // as it came
}

var errMalformed = errors.New("no DNS question")

// parseQuestion reads a message with one question. What follows the question is ignored.
func parseQuestion(m []byte) (question, error) {
	if len(m) < headerSize || m[2]&0x80 != 0 || binary.BigEndian.Uint16(m[4:]) != 1 {
		return question{}, errMalformed
	}
	q := question{id: binary.BigEndian.Uint16(m), opcode: m[2] >> 3 & 15}
	var labels []string
	at := headerSize
	for {
		if at >= len(m) || m[at] > 63 { // There is nothing before to point to.
			return question{}, errMalformed
		}
		size := int(m[at])
		at++
		if size == 0 {
			break
		}
		if at+size > len(m) || at+size > headerSize+255 {
			return question{}, errMalformed
		}
		labels = append(labels, strings.ToLower(string(m[at:at+size])))
		at += size
	}
	if at+4 > len(m) {
		return question{}, errMalformed
	}
	q.name = strings.Join(labels, ".")
	q.kind, q.class = binary.BigEndian.Uint16(m[at:]), binary.BigEndian.Uint16(m[at+2:])
	q.raw = m[headerSize : at+4]
	return q, nil
}

// answer is the message that answers q with these records, which are of the type asked for.
func (q question) answer(code byte, records [][]byte) []byte {
	out := binary.BigEndian.AppendUint16(nil, q.id)
	out = append(out, 0x80|q.opcode<<3|0x04|0x01, 0x80|code) // a response, with authority, recursion desired and available
	for _, n := range []int{1, len(records), 0, 0} {
		out = binary.BigEndian.AppendUint16(out, uint16(n))
	}
	out = append(out, q.raw...)
	for _, r := range records {
		out = append(out, 0xc0, headerSize) // the name in the question
		out = binary.BigEndian.AppendUint16(out, q.kind)
		out = binary.BigEndian.AppendUint16(out, q.class)
		out = binary.BigEndian.AppendUint32(out, timeToLive)
		out = binary.BigEndian.AppendUint16(out, uint16(len(r)))
		out = append(out, r...)
	}
	return out
}

// service is the data of an SRV record.
func service(target string, port uint16) []byte {
	out := binary.BigEndian.AppendUint16(make([]byte, 4), port) // priority and weight are 0
	for label := range strings.SplitSeq(target, ".") {
		out = append(out, byte(len(label)))
		out = append(out, label...)
	}
	return append(out, 0)
}
