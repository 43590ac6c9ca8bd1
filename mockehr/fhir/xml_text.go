package fhir

import (
	"bytes"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// decode resolves the references in raw and normalizes its white space as XML
// 1.0 has it: line ends are one newline, and in an attribute every white space
// character that is not a reference is a blank. The result is raw itself or
// valid until the next call.
func (s *xmlScanner) decode(raw []byte, attribute bool) ([]byte, error) {
	if !attribute { // a tag was checked as a whole
		if err := checkCharacters(raw); err != nil {
			return nil, err
		}
	}
	special := "&\r"
	switch {
	case attribute:
		special = "&\r\n\t"
	case bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0: // most text, and quicker
		return raw, nil
	}
	i := bytes.IndexAny(raw, special)
	if i < 0 {
		return raw, nil
	}
	out := s.scratch[:0]
	for ; i >= 0; i = bytes.IndexAny(raw, special) {
		out = append(out, raw[:i]...)
		c := raw[i]
		raw = raw[i+1:]
		switch {
		case c == '&':
			end := bytes.IndexByte(raw[:min(len(raw), 16)], ';')
			r, ok := rune(0), false
			if end > 0 {
				r, ok = reference(string(raw[:end]))
			}
			if !ok {
				return nil, xmlError("&" + shorten(raw[:max(end, 0)]) + ` is not a reference that XML knows without a document type; "&" itself is written "&amp;"`)
			}
			out = utf8.AppendRune(out, r)
			raw = raw[end+1:]
		case c == '\r' && len(raw) > 0 && raw[0] == '\n': // the newline says it
		case attribute:
			out = append(out, ' ')
		default:
			out = append(out, '\n')
		}
	}
	s.scratch = append(out, raw...)
	return s.scratch, nil
}

// newlines makes every line end one newline, where nothing else is to be decoded.
func newlines(raw []byte) []byte {
	if bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(raw, []byte("\r"), []byte("\n"))
}

// reference is the character that an entity or character reference stands for.
func reference(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if name[0] != '#' || len(name) < 2 || name[1] == '+' || name[1] == '-' {
		return 0, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	return rune(n), err == nil && utf8.ValidRune(rune(n)) && isXMLCharacter(rune(n))
}

// isXMLCharacter tells whether XML 1.0 allows a valid rune, be it as a reference.
func isXMLCharacter(r rune) bool {
	return r >= ' ' && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n' || r == '\r'
}

func checkCharacters(raw []byte) error {
	if i := badCharacter(raw); i >= 0 {
		if r, size := utf8.DecodeRune(raw[i:]); r == utf8.RuneError && size == 1 {
			return xmlError("the text is not UTF-8: byte " + strconv.QuoteToASCII(string(raw[i:i+1])))
		}
		return xmlError("XML does not allow the character " + strconv.QuoteToASCII(shorten(raw[i:i+1])))
	}
	return nil
}

// badCharacter finds the first byte that does not begin a character that XML 1.0,
// and so FHIR, allows; -1 if there is none.
func badCharacter[T string | []byte](s T) int {
	for i := 0; i < len(s); {
		if n := printable(s[i:]); n > 0 {
			i += n
			continue
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			if r == utf8.RuneError && size == 1 || !isXMLCharacter(r) {
				return i
			}
			i += size
			continue
		}
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return i
		}
		i++
	}
	return -1
}

// printable counts the characters of ASCII that s begins with, up to a control
// character, but for less than eight at its end: eight are looked at together.
func printable[T string | []byte](s T) int {
	const ones = 0x0101010101010101
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		b := s[n : n+8]
		word := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		// The highest bit of a byte: it is not ASCII, or subtracting a blank went below zero.
		if others := (word | (word - ones*' ')) & (ones * 0x80); others != 0 {
			return n + bits.TrailingZeros64(others)/8
		}
	}
	return n
}
