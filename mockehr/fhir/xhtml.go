package fhir

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// maxDivDepth bounds how deep the elements of a narrative may be nested.
const maxDivDepth = 256

// canonicalDiv reads the XHTML of a narrative and prints it anew: no prefixes,
// the namespace declared on the outermost div alone, attributes in double quotes
// and sorted by name, an empty element with an end tag unless HTML has none for
// it, no CDATA. Equal narratives so become equal text.
func canonicalDiv(text string) ([]byte, error) {
	r := &xmlReader{xmlScanner: scanXML([]byte(text)), nowhere: true}
	start, err := r.rootStart()
	if err != nil {
		return nil, err
	}
	div, err := r.div(start)
	if err != nil {
		return nil, err
	}
	return div, r.end()
}

// div reads the element div, whose start tag was read, into its canonical form.
func (r *xmlReader) div(start xmlTag) ([]byte, error) {
	if start.name != "div" {
		return nil, r.fail("a narrative is an XHTML <div>, not <%s>", shorten(start.name))
	}
	dst, err := r.divStart(nil, start, true)
	if err != nil {
		return nil, err
	}
	names := []string{start.name}
	for empty := true; len(names) > 0; {
		kind, err := r.token()
		if err != nil {
			return nil, err
		}
		switch kind {
		case xmlStart:
			if names = append(names, r.tag.name); len(names) > maxDivDepth {
				return nil, r.fail("the narrative is nested too deep")
			}
			if dst, err = r.divStart(dst, r.tag, false); err != nil {
				return nil, err
			}
		case xmlEnd:
			dst = divEnd(dst, names[len(names)-1], empty)
			names = names[:len(names)-1]
		case xmlText:
			dst = appendEscaped(dst, string(r.chars), false)
		case xmlComment:
			dst = append(append(append(dst, "<!--"...), r.chars...), "-->"...)
		case xmlInstruction:
			dst = append(append(append(dst, "<?"...), r.chars...), "?>"...)
		case xmlEOF:
			return nil, r.fail("not XML: the narrative ends too early")
		}
		empty = kind == xmlStart || empty && kind == xmlText && len(r.chars) == 0
	}
	return dst, nil
}

func (r *xmlReader) divStart(dst []byte, start xmlTag, outermost bool) ([]byte, error) {
	if start.space != xhtmlNS {
		return nil, r.fail("<%s> within a narrative is in namespace %q instead of %q", shorten(start.name), shorten(start.space), xhtmlNS)
	}
	dst = append(append(dst, '<'), start.name...)
	if outermost {
		dst = append(dst, ` xmlns="`+xhtmlNS+`"`...)
	}
	slices.SortFunc(start.attrs, func(a, b xmlAttr) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.space, b.space))
	})
	for _, a := range start.attrs {
		name := a.name
		switch a.space {
		case "":
		case xmlNS:
			name = "xml:" + name
		default:
			return nil, r.fail("attribute %q within a narrative is in namespace %q; a narrative has HTML's attributes only", shorten(name), shorten(a.space))
		}
		dst = append(append(append(dst, ' '), name...), `="`...)
		dst = append(appendEscaped(dst, a.value, true), '"')
	}
	return append(dst, '>'), nil
}

// divEnd ends an element; an empty one that HTML knows to be so gets no end tag.
func divEnd(dst []byte, name string, empty bool) []byte {
	switch name {
	case "br", "hr", "img", "col", "area", "wbr":
		if empty { // dst ends with its start tag
			return append(bytes.TrimSuffix(dst, []byte(">")), "/>"...)
		}
	}
	return append(append(append(dst, "</"...), name...), '>')
}

// appendEscaped prints text so that an XML parser reads exactly it: within an
// attribute white space would be normalized, and a carriage return everywhere.
func appendEscaped(dst []byte, s string, attribute bool) []byte {
	refs := &textRefs
	if attribute {
		refs = &attributeRefs
	}
	from := 0
	for i := range len(s) {
		if c := s[i]; c <= '>' && refs[c] != "" {
			dst = append(append(dst, s[from:i]...), refs[c]...)
			from = i + 1
		}
	}
	return append(dst, s[from:]...)
}

// The references that characters are printed as.
var (
	textRefs      = ['>' + 1]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\r': "&#xD;"}
	attributeRefs = ['>' + 1]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\r': "&#xD;", '"': "&quot;", '\t': "&#x9;", '\n': "&#xA;"}
)
