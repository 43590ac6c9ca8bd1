package fhir

import (
	"fmt"
	"strings"
)

// maxIssues bounds what Validate reports: of a text that is wrong everywhere
// nobody reads more.
const maxIssues = 100

// Validate checks a resource against the definitions of FHIR STU3: that it has
// only elements that there are, as often as they may be, of the right types,
// with values in the right form, codes of required value sets, references of the
// right form to the right types; that Bundles, Parameters, extensions and
// contained resources are made as they must be. Issues are errors, or warnings,
// which don't make a resource invalid. Without any it returns nil; it stops at 100.
//
// Not checked are profiles, value sets that are not required or cannot be
// enumerated, the invariants of single resource types (obs-6) but for those of
// Bundle and Parameters, and what a resource says about others.
func Validate(o *Object) []Issue {
	v := &validator{}
	root := rootPath(o.Type())
	v.resource(&root, o, 1)
	return v.issues
}

// validator collects the problems of one resource.
type validator struct {
	issues []Issue
	full   bool // there are enough issues

	container   *Object           // the resource that is not contained in another, around what is checked
	contained   map[string]string // id to type of what it contains
	inner       string            // id of the contained resource that is being checked
	referred    map[string]bool   // ids of contained resources that something refers to
	fullURLs    map[string]string // fullUrl to type of the entries, within a Bundle
	transaction bool              // within a Bundle that is one
}

// add reports an error of the element at p.
func (v *validator) add(p *path, code, format string, args ...any) {
	v.report("error", p, code, format, args...)
}

// warn reports what is not right, but was let pass in the specification's own examples.
func (v *validator) warn(p *path, code, format string, args ...any) {
	v.report("warning", p, code, format, args...)
}

func (v *validator) report(severity string, p *path, code, format string, args ...any) {
	if v.full {
		return
	}
	issue := Issue{Severity: severity, Code: code, Diagnostics: fmt.Sprintf(format, args...)}
	if at := p.String(); at != "" {
		issue.Expression = []string{at}
		issue.Diagnostics = at + ": " + issue.Diagnostics
	}
	v.issues = append(v.issues, issue)
	if len(v.issues) == maxIssues {
		v.full = true
		v.issues = append(v.issues, Issue{Severity: "information", Code: "informational",
			Diagnostics: fmt.Sprintf("Only the first %d problems are listed", maxIssues)})
	}
}

// resource checks a resource that is not contained: the outermost, or one within
// a Bundle or Parameters.
func (v *validator) resource(p *path, o *Object, depth int) {
	container, contained, referred := v.container, v.contained, v.referred
	v.container, v.contained, v.referred = o, nil, nil
	v.contains(p, o)
	v.anyResource(p, o, depth)
	v.unreferred(p, o)
	v.container, v.contained, v.referred = container, contained, referred
}

func (v *validator) anyResource(p *path, o *Object, depth int) {
	switch name := o.Get("resourceType").(type) {
	case nil:
		v.add(p, "required", `the member resourceType is missing, such as "resourceType": "Patient"`)
	case string:
		t := resourceType(name)
		if t == nil {
			v.add(p, "value", "%q is not a resource type of FHIR STU3", shorten(name))
			return
		}
		if name == "Bundle" {
			fullURLs, transaction := v.fullURLs, v.transaction
			v.bundle(p, o)
			defer func() { v.fullURLs, v.transaction = fullURLs, transaction }()
		}
		v.object(p, o, t, depth)
	default:
		v.add(p, "structure", "resourceType must be a string")
	}
}

// object checks the members of o, which is a resource or of a complex type, or
// the id and extensions of a primitive.
func (v *validator) object(p *path, o *Object, t *typeDef, depth int) {
	if v.full {
		return
	}
	if depth > maxDepth {
		v.add(p, "structure", "nested too deep: more than %d objects within each other", maxDepth)
		return
	}
	if o.Len() == 0 {
		v.add(p, "structure", "an element must have a value or children; leave it out instead of {}")
		return
	}
	// Which name an element has been given by: of a choice there are several.
	var few [64]string
	seen := few[:]
	elements := t.content().elements
	if len(elements) > len(seen) {
		seen = make([]string, len(elements))
	}
	for i := range o.members {
		if v.full {
			return
		}
		m := &o.members[i]
		if m.Name == "resourceType" && t.resource {
			continue
		}
		f, isExt := memberField(t, m.Name)
		if f == nil {
			v.unknown(p, t, m.Name)
			continue
		}
		child := p.child(f.name)
		if first := seen[f.index]; first != "" && first != f.dataName {
			v.add(&child, "structure", "only one of %s is allowed, but there are %q and %q", choices(f.element), first, f.dataName)
		}
		seen[f.index] = f.dataName
		switch {
		case !isExt && f.typ != nil && f.typ.prim != nil:
			v.member(&child, f, m.Value, o.Get(f.extName), depth)
		case !isExt:
			v.member(&child, f, m.Value, nil, depth)
		case !o.Has(f.dataName): // else it was checked together with its value
			v.member(&child, f, nil, m.Value, depth)
		}
	}
	for _, e := range elements {
		if e.required && seen[e.index] == "" {
			child := p.child(e.name)
			v.add(&child, "required", "%s must be given", choices(e))
		}
	}
	v.rules(p, o, t)
}

// memberField is the field that a member of an object of type t stands for;
// isExt if it holds the id and extensions of a primitive.
func memberField(t *typeDef, name string) (f *field, isExt bool) {
	fields := t.content().fields
	if f = fields[name]; f != nil {
		return f, false
	}
	if name, isExt = strings.CutPrefix(name, "_"); isExt {
		f = fields[name]
		if f != nil && (f.attr || f.typ == nil || f.typ.prim == nil || f.typ.xhtml()) {
			f = nil
		}
	}
	return f, isExt
}

// unknown reports a member that type t does not have, with the closest that it has.
func (v *validator) unknown(p *path, t *typeDef, name string) {
	child := p.child(name)
	for _, e := range t.content().elements {
		switch {
		case e.choice && e.name == name:
			v.add(&child, "structure", "the name must tell the type: %s", choices(e))
			return
		case strings.EqualFold(e.name, name):
			v.add(&child, "structure", "there is no such element; %q is meant?", e.name)
			return
		}
	}
	v.add(&child, "structure", "%s has no element %q", t.name, shorten(name))
}

// choices names an element for a message, or the names that a choice has.
func choices(e *element) string {
	switch {
	case !e.choice:
		return fmt.Sprintf("%q", e.name)
	case len(e.choices) > 8:
		return fmt.Sprintf("%s[x] (%s, ...)", e.name, strings.Join(e.choices[:8], ", "))
	}
	return fmt.Sprintf("%s[x] (%s)", e.name, strings.Join(e.choices, ", "))
}

// member checks the value of a member, and that of its sibling with id and
// extensions; nil for what is missing.
func (v *validator) member(p *path, f *field, value, ext any, depth int) {
	values, isList := value.([]any)
	exts, isExtList := ext.([]any)
	if !f.many {
		if isList || isExtList {
			v.add(p, "structure", "the element may occur only once and so cannot be an array")
			return
		}
		v.item(p, f, value, ext, depth)
		return
	}
	switch {
	case value != nil && !isList:
		v.add(p, "structure", "the element may repeat and so must be an array, of one item too: [%s]", kindOf(value))
		return
	case ext != nil && !isExtList:
		v.add(p, "structure", "%q must be an array, parallel to %q", f.extName, f.dataName)
		return
	case isList && len(values) == 0 || isExtList && len(exts) == 0:
		v.add(p, "structure", "an array cannot be empty; leave the element out")
		return
	case isList && isExtList && len(values) != len(exts):
		v.add(p, "structure", "%q has %d items and %q has %d: parallel arrays are equally long, padded with null", f.dataName, len(values), f.extName, len(exts))
		return
	}
	for i := range max(len(values), len(exts)) {
		item := p.item(i)
		v.item(&item, f, at(values, i), at(exts, i), depth)
	}
}

// item checks one value of an element.
func (v *validator) item(p *path, f *field, value, ext any, depth int) {
	if f.typ != nil && f.typ.prim != nil {
		v.primitive(p, f, value, ext, depth)
		return
	}
	o, ok := value.(*Object)
	switch {
	case !ok:
		v.add(p, "structure", "must be an object, not %s", kindOf(value))
	case f.typ == nil && f.name == "contained":
		v.containedResource(p, o, depth+1)
	case f.typ == nil:
		v.resource(p, o, depth+1)
	default:
		v.object(p, o, f.typ, depth+1)
		v.bound(p, o, f)
	}
}

// kindOf says in JSON's words what a value is.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case *Object:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}
