package fhir

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// reference checks the form of a Reference and the type that it points to.
func (v *validator) reference(p *path, o *Object, targets []string) {
	text, ok := o.Get("reference").(string)
	if !ok || text == "" {
		return
	}
	child := p.child("reference")
	typ, problem := v.targetType(text)
	switch {
	case problem != "":
		code := "value"
		if text[0] == '#' {
			code = "invariant"
		}
		v.add(&child, code, "%s", problem)
	case typ == "" || len(targets) == 0 || slices.Contains(targets, "Resource") || slices.Contains(targets, typ):
	default:
		v.add(&child, "structure", "%q points to a %s, but only %s is allowed here", shorten(text), typ, strings.Join(targets, ", "))
	}
}

// targetType is the type that a reference points to, as far as it tells; or what
// is wrong with it.
func (v *validator) targetType(text string) (typ, problem string) {
	switch {
	case text == "#":
		v.refers(v.inner) // what is contained and refers to its container belongs to it
		return v.container.Type(), ""
	case text[0] == '#':
		typ, ok := v.contained[text[1:]]
		v.refers(text[1:])
		if !ok {
			return "", fmt.Sprintf("nothing is contained in the %s with the id %q (ref-1)", shorten(v.container.Type()), shorten(text[1:]))
		}
		return typ, ""
	case strings.HasPrefix(text, "urn:"):
		return v.fullURLs[text], ""
	case strings.IndexFunc(text, notInURI) >= 0:
		return "", "a reference has no white space"
	}
	if query, conditional := strings.CutPrefix(strings.TrimLeft(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), "?"); conditional && query != "" {
		typ = text[:strings.IndexByte(text, '?')]
		if !v.transaction || !IsResourceType(typ) {
			return "", "a search such as Patient?identifier=1 may stand for a reference within a transaction only, and with a type of FHIR STU3"
		}
		return typ, ""
	}
	if u, err := url.Parse(text); err != nil {
		return "", fmt.Sprintf("%q is not a valid URL", shorten(text))
	} else if u.IsAbs() {
		// Whatever the URL names: only if it ends as FHIR's do does it tell a type.
		if _, typ, _, _, ok := SplitReference(text); ok {
			return typ, ""
		}
		return v.fullURLs[text], ""
	}
	base, typ, _, _, ok := SplitReference(text)
	if !ok || base != "" {
		return "", fmt.Sprintf("%q is not a reference: it is Type/id, an absolute URL, urn:uuid:.., urn:oid:.. or #id of a contained resource", shorten(text))
	}
	return typ, ""
}

// refers notes that something refers to the contained resource of that id.
func (v *validator) refers(id string) {
	if v.referred == nil {
		v.referred = map[string]bool{}
	}
	v.referred[id] = true
}
