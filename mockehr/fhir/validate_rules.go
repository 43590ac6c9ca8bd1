package fhir

import (
	"strings"
	"time"
)

// rules checks what the specification says in words, of o as a whole.
func (v *validator) rules(p *path, o *Object, t *typeDef) {
	switch t.name {
	case "Extension":
		v.extension(p, o)
	case "Parameters.parameter":
		v.parameter(p, o)
	case "Quantity", "Age", "Count", "Distance", "Duration", "Money":
		if hasElement(o, "code") && !hasElement(o, "system") {
			v.add(p, "invariant", "a quantity with a code for its unit needs the code's system (qty-3)")
		}
	case "Period":
		v.period(p, o)
	case "Attachment":
		if hasElement(o, "data") && !hasElement(o, "contentType") {
			v.add(p, "invariant", "an attachment with data needs its contentType (att-1)")
		}
	}
}

// extension: a value or extensions of its own, one of the two (ext-1).
func (v *validator) extension(p *path, o *Object) {
	hasValue, hasNested := hasChoice(o, "value"), o.Has("extension")
	switch {
	case hasValue && hasNested:
		v.add(p, "invariant", "an extension has either a value or extensions, not both (ext-1)")
	case !hasValue && !hasNested:
		v.add(p, "invariant", "an extension needs a value or extensions (ext-1)")
	}
}

// hasElement tells whether o has a primitive, if only by an id or extension.
func hasElement(o *Object, name string) bool { return o.Has(name) || o.Has("_"+name) }

// hasChoice tells whether o has the element name[x].
func hasChoice(o *Object, name string) bool {
	for _, m := range o.Members() {
		if strings.HasPrefix(strings.TrimPrefix(m.Name, "_"), name) {
			return true
		}
	}
	return false
}

// parameter: a value, a resource or parts, one of the three (inv-1).
func (v *validator) parameter(p *path, o *Object) {
	n := 0
	for _, has := range []bool{hasChoice(o, "value"), o.Has("resource"), o.Has("part")} {
		if has {
			n++
		}
	}
	if n != 1 {
		v.add(p, "invariant", "a parameter has exactly one of value[x], resource and part (inv-1); this one has %d", n)
	}
}

// anyZone is how far apart the same hour can be in two time zones, about.
const anyZone = 14 * time.Hour

// period: it does not end before it starts (per-1).
func (v *validator) period(p *path, o *Object) {
	start, end := o.Text("start"), o.Text("end")
	if start == "" || end == "" {
		return
	}
	earliest, _, err := ParseDateTime(start)
	if err != nil {
		return
	}
	_, behind, err := ParseDateTime(end)
	if len(start) > len(time.DateOnly) != (len(end) > len(time.DateOnly)) {
		behind = behind.Add(anyZone) // a date is that of any place
	}
	if err == nil && !behind.After(earliest) {
		v.add(p, "invariant", "the period ends at %s, before it starts at %s (per-1)", shorten(end), shorten(start))
	}
}
