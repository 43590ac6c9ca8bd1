package fhir

import (
	"bytes"
	"fmt"
)

// xmlReader reads FHIR from the tokens of an XML text, and knows where it is.
type xmlReader struct {
	*xmlScanner
	path []pathSegment // of the element being read
	// nowhere: the text is only a piece of something larger, so that positions in it say nothing.
	nowhere bool
}

func (r *xmlReader) fail(format string, args ...any) error {
	e := &SyntaxError{Path: joinPath(r.path), Msg: fmt.Sprintf(format, args...)}
	if !r.nowhere {
		e.Line, e.Column = r.position()
	}
	return e
}

// token is the next token; errors of the text are located.
func (r *xmlReader) token() (xmlKind, error) {
	kind, err := r.next()
	if wrong, ok := err.(xmlError); ok {
		return kind, r.fail("not XML: %s", string(wrong))
	}
	return kind, err
}

// child reads up to the start tag of the next child element; ok is false at the
// parent's end tag, or the end of the text.
func (r *xmlReader) child() (tag xmlTag, ok bool, err error) {
	for {
		kind, err := r.token()
		switch {
		case err != nil:
			return tag, false, err
		case kind == xmlStart:
			return r.tag, true, nil
		case kind == xmlEnd || kind == xmlEOF:
			return tag, false, nil
		case kind == xmlText && blanks(r.chars) < len(r.chars):
			return tag, false, r.fail("text is not allowed here: %q; values stand in the attribute \"value\"",
				shorten(bytes.TrimSpace(r.chars)))
		}
	}
}

// rootStart reads up to the start tag of the document's element.
func (r *xmlReader) rootStart() (xmlTag, error) {
	tag, ok, err := r.child()
	if err == nil && !ok {
		err = r.fail("not XML: there is no element")
	}
	return tag, err
}

// end makes sure that nothing follows.
func (r *xmlReader) end() error {
	_, more, err := r.child()
	if more {
		err = r.fail("something follows the resource")
	}
	return err
}
