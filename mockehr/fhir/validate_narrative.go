package fhir

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// narrativeElements are the elements of HTML 4.0 that a narrative may have
// (txt-1): formatting, lists, tables, links and images; nothing that acts.
var narrativeElements = setOf(`a abbr acronym address area b bdo big blockquote br caption center cite code col colgroup dd del dfn
	div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q s samp small span strike strong sub sup table tbody td tfoot
	th thead tr tt u ul var`)

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// narrative checks the XHTML of a narrative.
func (v *validator) narrative(p *path, text string) {
	says, err := checkXHTML(text)
	switch {
	case err != nil:
		v.add(p, "value", "%s", err)
	case !says:
		v.warn(p, "invariant", "a narrative should say something: text or an image (txt-2)")
	}
}

// checkXHTML tells whether a narrative, which must be one div, has any content;
// or what is wrong with it.
func checkXHTML(text string) (says bool, err error) {
	dec := xml.NewDecoder(strings.NewReader(text))
	depth, divs := 0, 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if divs != 1 {
				return false, errors.New("a narrative is one XHTML <div>")
			}
			return says, nil
		}
		if err != nil {
			return false, fmt.Errorf("the narrative is not XHTML: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDivDepth {
				return false, errors.New("the narrative is nested too deep")
			}
			if depth == 1 {
				divs++
				if token.Name.Local != "div" {
					return false, fmt.Errorf("a narrative is an XHTML <div>, not <%s>", shorten(token.Name.Local))
				}
			}
			if err := checkTag(token); err != nil {
				return false, err
			}
			says = says || token.Name.Local == "img"
		case xml.EndElement:
			depth--
		case xml.CharData:
			blank := strings.TrimSpace(string(token)) == ""
			if depth == 0 && !blank {
				return false, errors.New("a narrative is one XHTML <div>, without text around it")
			}
			says = says || !blank
		case xml.ProcInst, xml.Directive:
			return false, errors.New("a narrative has no document type or processing instruction")
		}
	}
}

// checkTag checks a start tag: its namespace, its name, and that nothing is run.
func checkTag(start xml.StartElement) error {
	if start.Name.Space != xhtmlNS {
		return fmt.Errorf("<%s> in a narrative must be in the namespace %s: <div xmlns=\"%s\">", shorten(start.Name.Local), xhtmlNS, xhtmlNS)
	}
	if !narrativeElements[start.Name.Local] {
		return fmt.Errorf("<%s> is not allowed in a narrative, which has text, lists, tables, links and images only (txt-1)", shorten(start.Name.Local))
	}
	for _, a := range start.Attr {
		name := strings.ToLower(a.Name.Local)
		if strings.HasPrefix(name, "on") && a.Name.Space == "" {
			return fmt.Errorf("the attribute %q is not allowed in a narrative: it has no scripts (txt-1)", shorten(a.Name.Local))
		}
		if (name == "href" || name == "src") && activeURL(a.Value) {
			return fmt.Errorf("%q is not allowed in a narrative: it has no scripts (txt-1)", shorten(a.Value))
		}
	}
	return nil
}

// activeURL tells whether a browser would run what the URL says.
func activeURL(url string) bool {
	// Browsers drop control characters and white space before they look.
	url = strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, strings.ToLower(url))
	return strings.HasPrefix(url, "javascript:") || strings.HasPrefix(url, "vbscript:") || strings.HasPrefix(url, "data:text/html")
}
