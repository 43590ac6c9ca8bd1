package fhir

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendJSON prints o compactly behind dst, its members in their order, numbers
// as they are, and no character escaped that need not be.
func AppendJSON(dst []byte, o *Object) []byte { return appendJSON(dst, o, noIndent) }

// AppendJSONIndent does the same for human readers: two spaces a level.
func AppendJSONIndent(dst []byte, o *Object) []byte { return appendJSON(dst, o, 0) }

// noIndent is the level that prints without white space.
const noIndent = -1

func appendJSON(dst []byte, v any, level int) []byte {
	switch v := v.(type) {
	case string:
		return appendText(dst, v)
	case Number:
		if !isNumber(string(v)) { // set by hand: the text as a whole stays JSON
			return appendText(dst, string(v))
		}
		return append(dst, v...)
	case bool:
		if v {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case *Object:
		if v == nil {
			break
		}
		dst = append(dst, '{')
		for i := range v.members {
			dst = appendBreak(dst, i > 0, deeper(level))
			dst = appendText(dst, v.members[i].Name)
			dst = append(dst, ':')
			if level != noIndent {
				dst = append(dst, ' ')
			}
			dst = appendJSON(dst, v.members[i].Value, deeper(level))
		}
		return appendClose(dst, '}', len(v.members) > 0, level)
	case []any:
		dst = append(dst, '[')
		for i := range v {
			dst = appendBreak(dst, i > 0, deeper(level))
			dst = appendJSON(dst, v[i], deeper(level))
		}
		return appendClose(dst, ']', len(v) > 0, level)
	}
	return append(dst, "null"...)
}

func deeper(level int) int {
	if level == noIndent {
		return noIndent
	}
	return level + 1
}

func appendBreak(dst []byte, comma bool, level int) []byte {
	if comma {
		dst = append(dst, ',')
	}
	return appendIndent(dst, level)
}

func appendClose(dst []byte, bracket byte, any bool, level int) []byte {
	if any {
		dst = appendIndent(dst, level)
	}
	return append(dst, bracket)
}

// appendIndent begins a new line, unless level is noIndent.
func appendIndent(dst []byte, level int) []byte {
	if level == noIndent {
		return dst
	}
	dst = append(dst, '\n')
	for range level {
		dst = append(dst, "  "...)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			return appendQuoted(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendQuoted(dst []byte, s string) []byte {
	quoted, err := jsontext.AppendQuote(dst, s)
	if err != nil { // not UTF-8, which no parser lets through
		quoted, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return quoted
}

// isNumber tells whether s is a number in JSON's syntax.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole := digits(s)
	if whole == 0 || whole > 1 && s[0] == '0' {
		return false
	}
	s = s[whole:]
	if fraction, ok := strings.CutPrefix(s, "."); ok {
		n := digits(fraction)
		if n == 0 {
			return false
		}
		s = fraction[n:]
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		n := digits(s)
		return n > 0 && n == len(s)
	}
	return s == ""
}

// digits counts the digits that s begins with.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}
