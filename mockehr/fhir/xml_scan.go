package fhir

import (
	"bytes"
	"io"
	"slices"
)

// xmlKind is what a token of XML is.
type xmlKind int

const (
	xmlEOF xmlKind = iota
	xmlStart
	xmlEnd // also of an element without content, <br/>
	xmlText
	xmlComment
	xmlInstruction // a processing instruction, and the XML declaration
)

// xmlTag is a start tag. Namespaces are resolved, and their declarations left out.
type xmlTag struct {
	space, name string
	attrs       []xmlAttr // valid until the next token
}

type xmlAttr struct{ space, name, value string }

// No document needs more; without bounds, looking through them could take long.
const (
	maxAttributes = 100 // of one tag
	maxNamespaces = 100 // in scope
)

// xmlScanner splits XML 1.0 in UTF-8 with namespaces into tokens: strictly, but
// without document types, and so with XML's own five entities only. (That of
// encoding/xml takes several times as long, and takes texts that are not
// well-formed: an attribute given twice, an unknown prefix.)
//
// It holds one token at a time, and the names of the elements that are open.
type xmlScanner struct {
	src  io.Reader // the rest of the input, nil if all is in buf
	text string    // all of the input, if that is at hand: strings are parts of it
	buf  []byte
	// Of the current token, in buf: its start; and where the next one starts.
	start, pos int
	discarded  place // where buf starts
	readErr    error

	tag   xmlTag // of xmlStart
	chars []byte // of the others, decoded; valid until the next token

	open    []openElement
	spaces  []namespace
	closing bool // the current tag has its end in it
	seen    bool // something came before the current token
	scratch []byte
}

type openElement struct {
	name   string // with prefix
	spaces int    // namespaces in scope around it
}

type namespace struct{ prefix, uri string }

// scanXML scans a text of which nothing is changed: with all at hand, the
// scanner writes nothing to its buffer.
func scanXML(text []byte) *xmlScanner { return &xmlScanner{text: string(text), buf: text} }

func scanXMLStream(r io.Reader) *xmlScanner { return &xmlScanner{src: r} }

// xmlError is what is wrong at the current token.
type xmlError string

func (e xmlError) Error() string { return string(e) }

// next reads the next token; an error is an [xmlError], or of the source.
func (s *xmlScanner) next() (xmlKind, error) {
	if s.closing {
		s.closing = false
		s.pop()
		return xmlEnd, nil
	}
	s.start = s.pos
	if s.pos == len(s.buf) && !s.more() {
		if s.readErr == nil && len(s.open) > 0 {
			return xmlEOF, xmlError("the text ends within <" + shorten(s.open[len(s.open)-1].name) + ">")
		}
		return xmlEOF, s.readErr
	}
	kind, err := s.token()
	if s.readErr != nil {
		err = s.readErr
	}
	s.seen = true
	return kind, err
}

// token reads the token at s.pos.
func (s *xmlScanner) token() (kind xmlKind, err error) {
	if s.buf[s.pos] != '<' {
		end, _ := s.find("<")
		s.pos = end
		raw := s.buf[s.start:end]
		if bytes.Contains(raw, []byte("]]>")) {
			return xmlText, xmlError(`"]]>" must be written "]]&gt;" in text`)
		}
		s.chars, err = s.decode(raw, false)
		return xmlText, err
	}
	switch {
	case s.has("<!--"):
		raw, err := s.until("<!--", "-->")
		if err == nil && (bytes.Contains(raw, []byte("--")) || bytes.HasSuffix(raw, []byte("-"))) {
			err = xmlError(`"--" is not allowed in a comment`)
		}
		s.chars = newlines(raw)
		return xmlComment, err
	case s.has("<![CDATA["):
		raw, err := s.until("<![CDATA[", "]]>")
		if err == nil && len(s.open) == 0 {
			err = xmlError("text is not allowed here")
		}
		s.chars = newlines(raw)
		return xmlText, err
	case s.has("<?"):
		raw, err := s.until("<?", "?>")
		if err == nil {
			err = s.instruction(raw)
		}
		s.chars = newlines(raw)
		return xmlInstruction, err
	case s.has("<!"):
		return 0, xmlError("a document type or declaration is not allowed")
	case s.has("</"):
		raw, err := s.until("</", ">")
		if err != nil {
			return xmlEnd, err
		}
		name := bytes.TrimRight(raw, " \t\r\n")
		if len(s.open) == 0 || s.open[len(s.open)-1].name != string(name) {
			return xmlEnd, xmlError("the end tag </" + shorten(name) + "> does not fit the start tag")
		}
		s.pop()
		return xmlEnd, nil
	}
	end, ok := s.tagEnd()
	if !ok {
		return xmlStart, xmlError("the text ends within a tag")
	}
	s.pos = end + 1
	return xmlStart, s.startTag(s.start+1, end)
}

// has tells whether the token begins with what. It reads no further than needed.
func (s *xmlScanner) has(what string) bool {
	for {
		rest := s.buf[s.pos:]
		switch n := min(len(rest), len(what)); {
		case string(rest[:n]) != what[:n]:
			return false
		case n == len(what):
			return true
		case !s.more():
			return false
		}
	}
}

// until reads the token between its opening and its closing, and moves behind it.
func (s *xmlScanner) until(opening, closing string) ([]byte, error) {
	s.pos += len(opening)
	end, ok := s.find(closing)
	if !ok {
		return nil, xmlError("the text ends where " + closing + " is expected")
	}
	raw := s.buf[s.start+len(opening) : end]
	s.pos = end + len(closing)
	return raw, checkCharacters(raw)
}

// find returns where in s.buf the next sep is, from s.pos on; else the end.
func (s *xmlScanner) find(sep string) (end int, ok bool) {
	done := s.pos - s.start // as s.start may move
	for {
		if i := bytes.Index(s.buf[s.start+done:], []byte(sep)); i >= 0 {
			return s.start + done + i, true
		}
		done = max(done, len(s.buf)-s.start-len(sep)+1)
		if !s.more() {
			return len(s.buf), false
		}
	}
}

// tagEnd returns where in s.buf the '>' is that ends the tag at s.start.
func (s *xmlScanner) tagEnd() (end int, ok bool) {
	quote := byte(0)
	for i := 1; ; i++ {
		if s.start+i >= len(s.buf) && !s.more() {
			return 0, false
		}
		if quote != 0 {
			n := bytes.IndexByte(s.buf[s.start+i:], quote)
			if n < 0 {
				i = len(s.buf) - s.start - 1
				continue
			}
			i += n
			quote = 0
			continue
		}
		switch c := s.buf[s.start+i]; c {
		case '>':
			return s.start + i, true
		case '"', '\'':
			quote = c
		}
	}
}

func (s *xmlScanner) pop() {
	last := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	s.spaces = s.spaces[:last.spaces]
}

// more reads on, behind the token that s.buf holds; it tells whether there was more.
func (s *xmlScanner) more() bool {
	if s.src == nil || s.readErr != nil {
		return false
	}
	if s.start > 0 {
		s.discarded = s.discarded.after(s.buf[:s.start])
		s.buf = append(s.buf[:0], s.buf[s.start:]...)
		s.pos -= s.start
		s.start = 0
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = slices.Grow(s.buf, max(32<<10, len(s.buf)))
	}
	for range 100 { // a reader may return nothing for once
		n, err := s.src.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if err == io.EOF {
			s.src = nil
		} else if err != nil {
			s.readErr = err
		}
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.readErr = io.ErrNoProgress
	return false
}

// string is buf[from:to] as a string.
func (s *xmlScanner) string(from, to int) string {
	if s.text != "" {
		return s.text[from:to]
	}
	return string(s.buf[from:to])
}

// position is the line and column at which the current token starts.
func (s *xmlScanner) position() (line, column int) {
	return s.discarded.after(s.buf[:s.start]).position()
}
