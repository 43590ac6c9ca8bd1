package fhir

import (
	"bytes"
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
	r := &xmlReader{xmlScanner: scanXML([]byte(text)), nowhere: true}
	for divs := 0; ; {
		kind, err := r.token()
		if err != nil {
			return false, err
		}
		switch depth := len(r.open); kind {
		case xmlStart:
			if depth == 1 {
				divs++
			}
			switch {
			case divs > 1 || depth == 1 && r.tag.name != "div":
				return false, r.fail("a narrative is one XHTML <div>, not <%s>", shorten(r.tag.name))
			case depth > maxDivDepth:
				return false, r.fail("the narrative is nested too deep")
			}
			if err := r.checkTag(r.tag); err != nil {
				return false, err
			}
			says = says || r.tag.name == "img"
		case xmlText:
			blank := len(bytes.TrimSpace(r.chars)) == 0
			if depth == 0 && !blank {
				return false, r.fail("a narrative is one XHTML <div>, without text around it")
			}
			says = says || !blank
		case xmlInstruction:
			return false, r.fail("a narrative has no XML declaration or processing instruction")
		case xmlEOF:
			if divs == 0 {
				return false, r.fail("a narrative is one XHTML <div>")
			}
			return says, nil
		}
	}
}

// checkTag checks a start tag: its namespace, its name, and that nothing is run.
func (r *xmlReader) checkTag(tag xmlTag) error {
	if tag.space != xhtmlNS {
		return r.fail("<%s> in a narrative must be in the namespace %s: <div xmlns=\"%s\">", shorten(tag.name), xhtmlNS, xhtmlNS)
	}
	if !narrativeElements[tag.name] {
		return r.fail("<%s> is not allowed in a narrative, which has text, lists, tables, links and images only (txt-1)", shorten(tag.name))
	}
	for _, a := range tag.attrs {
		name := strings.ToLower(a.name)
		switch {
		case a.space != "" && a.space != xmlNS:
			return r.fail("the attribute %q in a narrative is in namespace %q; a narrative has HTML's attributes only", shorten(a.name), shorten(a.space))
		case a.space == "" && strings.HasPrefix(name, "on"):
			return r.fail("the attribute %q is not allowed in a narrative: it has no scripts (txt-1)", shorten(a.name))
		case (name == "href" || name == "src") && activeURL(a.value):
			return r.fail("%q is not allowed in a narrative: it has no scripts (txt-1)", shorten(a.value))
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
