package fhir

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const xmlNS = "http://www.w3.org/XML/1998/namespace"

// startTag reads the start tag whose inside is buf[from:to].
func (s *xmlScanner) startTag(from, to int) error {
	if to > from && s.buf[to-1] == '/' {
		s.closing = true
		to--
	}
	raw := s.buf[from:to]
	if err := checkCharacters(raw); err != nil {
		return err
	}
	n := nameEnd(raw)
	if n == 0 {
		return xmlError(`"<" must begin a tag; in text write "&lt;"`)
	}
	name := s.string(from, from+n)
	s.open = append(s.open, openElement{name, len(s.spaces)})
	s.tag.attrs = s.tag.attrs[:0]
	for at := from + n; ; {
		next, err := s.attribute(at, to)
		if err != nil {
			return err
		}
		if next == at {
			break
		}
		at = next
	}
	var err error
	if s.tag.space, s.tag.name, err = s.resolve(name, true); err != nil {
		return err
	}
	return s.resolveAttributes()
}

// attribute reads the attribute behind buf[at], if there is one before buf[to],
// and returns where it ends. Its name keeps its prefix until all namespaces are known.
func (s *xmlScanner) attribute(at, to int) (end int, err error) {
	i := at + blanks(s.buf[at:to])
	if i == to {
		return at, nil
	}
	n := nameEnd(s.buf[i:to])
	if n == 0 || i == at {
		return 0, xmlError("an attribute is expected, after white space, at " + strconv.Quote(shorten(s.buf[i:to])))
	}
	name := s.string(i, i+n)
	i += n
	i += blanks(s.buf[i:to])
	if i == to || s.buf[i] != '=' {
		return 0, xmlError("attribute " + shorten(name) + " has no value")
	}
	i++
	i += blanks(s.buf[i:to])
	if i == to || s.buf[i] != '"' && s.buf[i] != '\'' {
		return 0, xmlError("the value of attribute " + shorten(name) + " is not in quotes")
	}
	length := bytes.IndexByte(s.buf[i+1:to], s.buf[i])
	if length < 0 {
		return 0, xmlError("the value of attribute " + shorten(name) + " does not end")
	}
	from := i + 1
	raw := s.buf[from : from+length]
	if bytes.IndexByte(raw, '<') >= 0 {
		return 0, xmlError(`"<" must be written "&lt;" in the value of attribute ` + shorten(name))
	}
	decoded, err := s.decode(raw, true)
	if err != nil {
		return 0, err
	}
	value := ""
	if len(decoded) == len(raw) && bytes.Equal(decoded, raw) {
		value = s.string(from, from+length)
	} else {
		value = string(decoded)
	}
	return from + length + 1, s.addAttribute(name, value)
}

func (s *xmlScanner) addAttribute(name, value string) error {
	prefix, declared := strings.CutPrefix(name, "xmlns:")
	switch {
	case name == "xmlns":
		prefix, declared = "", true
	case declared && value == "":
		return xmlError("prefix " + shorten(prefix) + " is declared with an empty namespace")
	case declared && (prefix == "xml" || prefix == "xmlns" || strings.Contains(prefix, ":")):
		return xmlError("prefix " + shorten(prefix) + " cannot be declared")
	}
	if !declared {
		if len(s.tag.attrs) == maxAttributes {
			return xmlError("too many attributes")
		}
		s.tag.attrs = append(s.tag.attrs, xmlAttr{name: name, value: value})
		return nil
	}
	for _, n := range s.spaces[s.open[len(s.open)-1].spaces:] {
		if n.prefix == prefix {
			return xmlError("attribute " + shorten(name) + " occurs twice")
		}
	}
	if len(s.spaces) == maxNamespaces {
		return xmlError("too many namespaces")
	}
	s.spaces = append(s.spaces, namespace{prefix, value})
	return nil
}

func (s *xmlScanner) resolveAttributes() (err error) {
	for i := range s.tag.attrs {
		a := &s.tag.attrs[i]
		if a.space, a.name, err = s.resolve(a.name, false); err != nil {
			return err
		}
		for _, b := range s.tag.attrs[:i] {
			if a.name == b.name && a.space == b.space {
				return xmlError("attribute " + a.name + " occurs twice")
			}
		}
	}
	return nil
}

// resolve splits a name into its namespace and what is behind its prefix. The
// default namespace is for elements only.
func (s *xmlScanner) resolve(name string, element bool) (space, local string, err error) {
	prefix, local, prefixed := strings.Cut(name, ":")
	if !prefixed {
		if !element {
			return "", name, nil
		}
		prefix, local = "", name
	} else if prefix == "" || local == "" || nameEnd([]byte(local)) != len(local) || strings.Contains(local, ":") {
		return "", "", xmlError("the name " + shorten(name) + " is not well-formed")
	}
	if prefix == "xml" {
		return xmlNS, local, nil
	}
	for i := len(s.spaces) - 1; i >= 0; i-- {
		if s.spaces[i].prefix == prefix {
			return s.spaces[i].uri, local, nil
		}
	}
	if prefixed {
		return "", "", xmlError("prefix " + shorten(prefix) + " is not declared")
	}
	return "", local, nil
}

// instruction checks a processing instruction; of the XML declaration, what it says.
func (s *xmlScanner) instruction(raw []byte) error {
	n := nameEnd(raw)
	switch target := string(raw[:n]); {
	case n == 0:
		return xmlError("a processing instruction has no name")
	case n < len(raw) && blanks(raw[n:]) == 0:
		return xmlError("the name of a processing instruction ends with white space")
	case !strings.EqualFold(target, "xml"):
		return nil
	case target != "xml" || s.seen:
		return xmlError("an XML declaration stands at the very beginning only")
	}
	if v, ok := pseudoAttribute(raw[n:], "version"); !ok || v != "1.0" {
		return xmlError("this must be XML 1.0")
	}
	if v, ok := pseudoAttribute(raw[n:], "encoding"); ok && !strings.EqualFold(v, "UTF-8") && !strings.EqualFold(v, "US-ASCII") {
		return xmlError("the encoding must be UTF-8, not " + shorten(v))
	}
	return nil
}

// pseudoAttribute finds name="value" in an XML declaration.
func pseudoAttribute(raw []byte, name string) (value string, ok bool) {
	_, rest, ok := bytes.Cut(raw, []byte(name))
	if !ok {
		return "", false
	}
	rest = rest[blanks(rest):]
	rest, ok = bytes.CutPrefix(rest, []byte("="))
	rest = rest[blanks(rest):]
	if !ok || len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return "", false
	}
	end := bytes.IndexByte(rest[1:], rest[0])
	if end < 0 {
		return "", false
	}
	return string(rest[1 : 1+end]), true
}

// nameEnd is the length of the XML name that raw begins with, colons included.
func nameEnd(raw []byte) int {
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':':
			i++
		case i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.'):
			i++
		case c < utf8.RuneSelf:
			return i
		default:
			r, size := utf8.DecodeRune(raw[i:])
			if !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.IsMark(r)) {
				return i
			}
			i += size
		}
	}
	return len(raw)
}

// blanks is the length of the white space that raw begins with.
func blanks(raw []byte) int {
	for i, c := range raw {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return i
		}
	}
	return len(raw)
}
