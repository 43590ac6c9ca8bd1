package fhir

import "strings"

// boundCode checks a code against a value set whose binding is required.
func (v *validator) boundCode(p *path, set *valueSet, code string) {
	if !set.known() || set.codes[code] {
		return
	}
	if list := set.list(); list != "" {
		v.add(p, "code-invalid", "%q is not a code of %s, which has %s", shorten(code), set.url, list)
		return
	}
	v.add(p, "code-invalid", "%q is not a code of %s", shorten(code), set.url)
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
	case "Coding":
		if f.valueSet.known() && !f.valueSet.has(o) {
			v.outside(p, f.valueSet, o)
		}
	case "CodeableConcept":
		if f.valueSet.known() {
			v.boundConcept(p, o, f.valueSet)
		}
	}
}

// boundConcept checks that one of the codings is of the value set.
func (v *validator) boundConcept(p *path, o *Object, set *valueSet) {
	codings := o.Objects("coding")
	for _, c := range codings {
		if set.has(c) {
			return
		}
	}
	if len(codings) == 0 {
		v.add(p, "code-invalid", "a coding of %s is needed%s", set.url, whichHas(set))
		return
	}
	v.outside(p, set, codings[0])
}

// outside reports that a coding is not of the value set.
func (v *validator) outside(p *path, set *valueSet, c *Object) {
	system, code := c.Text("system"), c.Text("code")
	switch {
	case set.codes[code] && system == "":
		v.warn(p, "code-invalid", "the code %q needs its system, to be of %s", code, set.url)
		return
	case set.codes[code] && namesValueSet(system, set.url):
		v.warn(p, "code-invalid", "%q names the value set, not the code system of %q", shorten(system), code)
		return
	}
	v.add(p, "code-invalid", "%q of system %q is not of %s%s", shorten(code), shorten(system), set.url, whichHas(set))
}

func whichHas(set *valueSet) string {
	if list := set.list(); list != "" {
		return ", which has " + list
	}
	return ""
}

// namesValueSet tells whether a system is the name of the value set, as which it
// is often mistaken: http://hl7.org/fhir/v3/ActIncidentCode, where the system is
// that of all ActCodes.
func namesValueSet(system, url string) bool {
	name, ok := strings.CutPrefix(url, fhirNS+"/ValueSet/")
	return system == url || ok && system == fhirNS+"/"+strings.Replace(name, "-", "/", 1)
}
