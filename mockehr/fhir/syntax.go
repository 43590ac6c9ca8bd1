package fhir

import (
	"bytes"
	"fmt"
	"strings"
)

// maxDepth bounds how deep objects may stand within each other. The deepest
// official example needs 14.
const maxDepth = 100

// SyntaxError says why a text is no resource in JSON or XML, and where.
type SyntaxError struct {
	Line   int    // from 1; 0 if there is no text
	Column int    // from 1, in bytes
	Path   string // FHIRPath of the element, such as Patient.name[0].given[1]; may be empty
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

// place counts what came before it: lines, and bytes in the last of them.
type place struct{ lines, column int }

func (p place) after(text []byte) place {
	if n := bytes.Count(text, []byte{'\n'}); n > 0 {
		return place{p.lines + n, len(text) - bytes.LastIndexByte(text, '\n') - 1}
	}
	return place{p.lines, p.column + len(text)}
}

// position is the line and the column of the place, both from 1.
func (p place) position() (line, column int) { return p.lines + 1, p.column + 1 }

// shorten cuts a text of others down for a message.
func shorten[T string | []byte](text T) string {
	const most = 80
	if len(text) <= most {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "…"
}
