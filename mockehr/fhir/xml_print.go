package fhir

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// AppendXML prints a resource in FHIR's XML form behind dst, its elements in
// the order of the specification. Only what the specification knows can be
// printed: the error, a *[SyntaxError] without a position, names the first
// member that it does not.
func AppendXML(dst []byte, o *Object) ([]byte, error) {
	return appendXML(dst, o, noIndent)
}

// AppendXMLIndent does the same for human readers: two spaces a level, outside
// of narratives.
func AppendXMLIndent(dst []byte, o *Object) ([]byte, error) {
	return appendXML(dst, o, 0)
}

func appendXML(dst []byte, o *Object, level int) ([]byte, error) {
	w := &xmlWriter{dst: append(dst, `<?xml version="1.0" encoding="UTF-8"?>`...)}
	if level != noIndent {
		w.dst = append(w.dst, '\n')
	}
	if err := w.resource(o, 1, level, true); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// xmlWriter prints objects by their types.
type xmlWriter struct {
	dst   []byte
	path  []pathSegment
	items []xmlItem // scratch
}

// xmlItem is a member, or a primitive and its sibling, to be printed.
type xmlItem struct {
	f          *field
	value, ext any
}

func (w *xmlWriter) fail(format string, args ...any) error {
	return &SyntaxError{Path: joinPath(w.path), Msg: fmt.Sprintf(format, args...)}
}

// resource prints a resource; outermost, with the namespace.
func (w *xmlWriter) resource(o *Object, depth, level int, outermost bool) error {
	t := resourceType(o.Type())
	if t == nil {
		return w.fail("%q is not a resource type of FHIR STU3", shorten(o.Type()))
	}
	if outermost {
		w.path = append(w.path, pathSegment{t.name, -1})
	}
	w.dst = append(append(w.dst, '<'), t.name...)
	if outermost {
		w.dst = append(w.dst, ` xmlns="`+fhirNS+`"`...)
	}
	return w.content(o, t, t.name, depth, level)
}

// content prints the rest of an element after its name: attributes, children, end tag.
func (w *xmlWriter) content(o *Object, t *typeDef, tag string, depth, level int) error {
	if depth > maxDepth {
		return w.fail("nested too deep")
	}
	from := len(w.items)
	if err := w.collect(o, t); err != nil {
		return err
	}
	n := len(w.items)
	if n == from {
		w.dst = append(w.dst, "/>"...)
		return nil
	}
	w.dst = append(w.dst, '>')
	for i := from; i < n; i++ {
		if err := w.member(w.items[i], depth, deeper(level)); err != nil {
			return err
		}
	}
	w.items = w.items[:from]
	w.dst = appendIndent(w.dst, level)
	w.dst = append(append(append(w.dst, "</"...), tag...), '>')
	return nil
}

// collect prints the attributes among the members and puts the others into
// w.items, in the order of the specification.
func (w *xmlWriter) collect(o *Object, t *typeDef) error {
	from, sorted := len(w.items), true
	for _, m := range o.Members() {
		if m.Name == "resourceType" && t.resource {
			continue
		}
		name, isExt := strings.CutPrefix(m.Name, "_")
		f := t.content().fields[name]
		isPrim := f != nil && f.typ != nil && f.typ.prim != nil && !f.typ.xhtml()
		switch {
		case f == nil, isExt && (!isPrim || f.attr):
			return w.fail("%s has no element %q", t.name, shorten(m.Name))
		case f.attr:
			text, ok := m.Value.(string)
			if !ok {
				return w.fail("%q must be a string", m.Name)
			}
			w.dst = append(append(append(w.dst, ' '), name...), `="`...)
			if err := w.text(text, true); err != nil {
				return err
			}
			w.dst = append(w.dst, '"')
			continue
		case isExt && o.Has(name): // printed with its value
			continue
		}
		item := xmlItem{f: f, value: m.Value}
		if isExt {
			item.value, item.ext = nil, m.Value
		} else if isPrim {
			item.ext = o.Get(f.extName)
		}
		if n := len(w.items); n > from && w.items[n-1].f.index > f.index {
			sorted = false
		}
		w.items = append(w.items, item)
	}
	if !sorted {
		slices.SortStableFunc(w.items[from:], func(a, b xmlItem) int { return a.f.index - b.f.index })
	}
	return nil
}

// member prints the element, or elements, of a member.
func (w *xmlWriter) member(m xmlItem, depth, level int) error {
	w.path = append(w.path, pathSegment{m.f.name, -1})
	last := len(w.path) - 1
	values, manyValues := m.value.([]any)
	exts, manyExts := m.ext.([]any)
	switch {
	case !m.f.many && (manyValues || manyExts):
		return w.fail("%q cannot be an array", m.f.dataName)
	case !m.f.many:
		if err := w.one(m.f, m.value, m.ext, depth, level); err != nil {
			return err
		}
	case m.value != nil && !manyValues || m.ext != nil && !manyExts:
		return w.fail("%q must be an array", m.f.dataName)
	case len(values) == 0 && len(exts) == 0:
		return w.fail("%q is an empty array", m.f.dataName)
	}
	for i := range max(len(values), len(exts)) {
		w.path[last].index = i
		if err := w.one(m.f, at(values, i), at(exts, i), depth, level); err != nil {
			return err
		}
	}
	w.path = w.path[:last]
	return nil
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// one prints one element: an object, or a primitive value with its sibling.
func (w *xmlWriter) one(f *field, value, ext any, depth, level int) error {
	w.dst = appendIndent(w.dst, level)
	if f.typ != nil && f.typ.prim != nil {
		return w.primitive(f, value, ext, depth, level)
	}
	o, ok := value.(*Object)
	if !ok || o == nil {
		return w.fail("%q must be an object", f.dataName)
	}
	w.dst = append(append(w.dst, '<'), f.dataName...)
	if f.typ != nil {
		return w.content(o, f.typ, f.dataName, depth+1, level)
	}
	w.dst = appendIndent(append(w.dst, '>'), deeper(level))
	if err := w.resource(o, depth+1, deeper(level), false); err != nil {
		return err
	}
	w.dst = appendIndent(w.dst, level)
	w.dst = append(append(append(w.dst, "</"...), f.dataName...), '>')
	return nil
}

func (w *xmlWriter) primitive(f *field, value, ext any, depth, level int) error {
	sibling, ok := ext.(*Object)
	if ext != nil && !ok {
		return w.fail("%q must be an object", f.extName)
	}
	switch {
	case f.typ.xhtml():
		return w.xhtml(value)
	case value == nil && sibling == nil:
		return w.fail("null may stand only where %q has an item", f.extName)
	case value != nil && sibling != nil && sibling.Len() == 0:
		return w.fail("%q is empty; leave it out", f.extName)
	}
	w.dst = append(append(w.dst, '<'), f.dataName...)
	if value != nil {
		text, ok := primitiveText(f.typ.prim, value)
		if !ok {
			return w.fail("%q must be a JSON %s", f.dataName, f.typ.prim.kind)
		}
		w.dst = append(w.dst, ` value="`...)
		if err := w.text(text, true); err != nil {
			return err
		}
		w.dst = append(w.dst, '"')
	}
	if sibling == nil {
		w.dst = append(w.dst, "/>"...)
		return nil
	}
	return w.content(sibling, f.typ, f.dataName, depth+1, level)
}

// primitiveText is a value as XML has it; ok is false if it is of another JSON type.
func primitiveText(p *primitive, value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		return v, p.kind == "string"
	case Number:
		return string(v), p.kind == "number" && isNumber(string(v))
	case bool:
		return strconv.FormatBool(v), p.kind == "boolean"
	}
	return "", false
}

func (w *xmlWriter) xhtml(value any) error {
	text, ok := value.(string)
	if !ok {
		return w.fail("a narrative must be a string")
	}
	div, err := canonicalDiv(text)
	if err != nil {
		return w.fail("%s", err)
	}
	w.dst = append(w.dst, div...)
	return nil
}

// text prints text that XML can hold.
func (w *xmlWriter) text(s string, attribute bool) error {
	if i := badCharacter(s); i >= 0 {
		return w.fail("character %q cannot be written in XML", s[i:i+1])
	}
	w.dst = appendEscaped(w.dst, s, attribute)
	return nil
}
