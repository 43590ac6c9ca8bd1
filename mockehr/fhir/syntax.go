package fhir

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep objects may stand within each other. The deepest
// official example needs 14.
const maxDepth = 100

// SyntaxError says why a text is no resource in JSON or XML, and where.
type SyntaxError struct {
	Line   int    // from 1; 0 if there is no text
	Column int    // from 1, in characters for JSON, in bytes for XML
	Path   string // FHIRPath of the element, such as name[0].given[1]; may be empty
	Msg    string // for a person
}

func (e *SyntaxError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Column)
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// trimBOM takes off the byte order mark that a text may begin with.
func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }

// position turns an offset in data into a line and a column, both from 1.
func position(data []byte, offset int64) (line, column int) {
	before := data[:min(max(offset, 0), int64(len(data)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[start:]) + 1
}

// shorten cuts a text of others down for a message.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
