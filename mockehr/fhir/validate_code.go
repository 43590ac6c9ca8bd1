package fhir

import "strings"

// boundCode checks a code against a value set whose binding is required.
func (v *validator) boundCode(p *path, url, code string) {
	set, ok := v.sets[url]
	if !ok || set.codes[code] {
		return
	}
	if list := set.list(); list != "" {
		v.add(p, "code-invalid", "%q is not a code of %s, which has %s", shorten(code), url, list)
		return
	}
	v.add(p, "code-invalid", "%q is not a code of %s", shorten(code), url)
}

// bound checks what the element f asks of its value, beyond the type.
func (v *validator) bound(p *path, o *Object, f *field) {
	switch f.typ.name {
	case "Reference":
		v.reference(p, o, f.targets)
	case "Quantity":
		if f.simple && o.Has("comparator") {
			child := p.child("comparator")
			v.add(&child, "structure", "no comparator is allowed here")
		}
	}
	set, ok := v.sets[f.valueSet]
	if !ok {
		return
	}
	switch f.typ.name {
	case "Coding":
		if !set.has(o) {
			v.outside(p, f.valueSet, set, o)
		}
	case "CodeableConcept":
		codings := o.Objects("coding")
		for _, c := range codings {
			if set.has(c) {
				return
			}
		}
		if len(codings) == 0 {
			v.outside(p, f.valueSet, set, nil)
			return
		}
		v.outside(p, f.valueSet, set, codings[0])
	}
}

// has tells whether a Coding is of the value set.
func (s valueSet) has(c *Object) bool {
	return s.codings[coding{c.Text("system"), c.Text("code")}]
}

// outside reports that no coding is of the value set; c is one of them, or nil.
func (v *validator) outside(p *path, url string, set valueSet, c *Object) {
	known := ""
	if list := set.list(); list != "" {
		known = ", which has " + list
	}
	if c != nil && set.codes[c.Text("code")] && namesValueSet(c.Text("system"), url) {
		v.warn(p, "code-invalid", "%q names the value set, not the code system of %q", shorten(c.Text("system")), c.Text("code"))
		return
	}
	if c == nil {
		v.add(p, "code-invalid", "a coding of %s is needed%s", url, known)
		return
	}
	v.add(p, "code-invalid", "%q of system %q is not of %s%s", shorten(c.Text("code")), shorten(c.Text("system")), url, known)
}

// namesValueSet tells whether a system is the name of the value set, as which it
// is often mistaken: http://hl7.org/fhir/v3/ActIncidentCode, where the system is
// that of all ActCodes.
func namesValueSet(system, url string) bool {
	name, ok := strings.CutPrefix(url, fhirNS+"/ValueSet/")
	return system == url || ok && system == fhirNS+"/"+strings.Replace(name, "-", "/", 1)
}
