package fhir

import (
	"slices"
	"strconv"
	"strings"
)

const (
	fhirNS  = "http://hl7.org/fhir"
	xhtmlNS = "http://www.w3.org/1999/xhtml"
	xsiNS   = "http://www.w3.org/2001/XMLSchema-instance"
)

// ParseXML reads a resource from FHIR's XML form. Its members come in the order
// of the specification, whatever the order of the elements. Comments and
// processing instructions outside of narratives are no content, and dropped;
// what JSON cannot hold, such as an unknown element or a number that is none, is
// refused. There is no document type and so there are no entities of one's own.
//
// The error is a *[SyntaxError].
func ParseXML(data []byte) (*Object, error) {
	r := &xmlReader{xmlScanner: scanXML(string(trimBOM(data)))}
	return r.root()
}

// root reads a document that is one resource.
func (r *xmlReader) root() (*Object, error) {
	start, err := r.rootStart()
	if err != nil {
		return nil, err
	}
	o, err := r.resource(start, 1, nil)
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// eachEntry takes the value of a member instead of its being kept; see [ReadBundleXML].
type eachEntry func(name string, v *Object) (taken bool, err error)

// resource reads the resource whose start tag was read, up to its end tag.
func (r *xmlReader) resource(start xmlTag, depth int, each eachEntry) (*Object, error) {
	t := resourceType(start.name)
	if t == nil || start.space != fhirNS {
		return nil, r.fail("<%s> in namespace %q is not a resource of FHIR STU3; resources are in %q", start.name, start.space, fhirNS)
	}
	for _, a := range start.attrs {
		if a.space != xsiNS {
			return nil, r.fail("attribute %q is not allowed on a resource", a.name)
		}
	}
	if len(r.path) == 0 {
		r.path = append(r.path, t.name)
	}
	b := builder{o: &Object{members: []Member{{"resourceType", t.name}}}, t: t}
	err := r.content(&b, depth, each)
	return b.o, err
}

// complexValue reads an element of a complex type.
func (r *xmlReader) complexValue(start xmlTag, t *typeDef, depth int) (*Object, error) {
	b := builder{o: &Object{}, t: t}
	for _, a := range start.attrs {
		f := t.fields[a.name]
		switch {
		case f == nil || !f.attr || a.space != "":
			return nil, r.fail("attribute %q is not allowed here", a.name)
		case b.o.Has(f.dataName):
			return nil, r.fail("attribute %q occurs twice", a.name)
		default:
			b.add(f, a.value, nil)
		}
	}
	err := r.content(&b, depth, nil)
	return b.o, err
}

// content reads child elements into b, up to the end tag.
func (r *xmlReader) content(b *builder, depth int, each eachEntry) error {
	if depth > maxDepth {
		return r.fail("nested too deep")
	}
	for {
		start, ok, err := r.child()
		if err != nil {
			return err
		}
		if !ok {
			b.sort()
			return nil
		}
		f := b.t.fields[start.name]
		if f == nil || f.attr {
			return r.fail("%s has no element %q", b.t.name, start.name)
		}
		segment := f.name
		if f.many {
			segment += "[" + strconv.Itoa(b.count(f)) + "]"
		} else if b.o.Has(f.dataName) || b.o.Has(f.extName) {
			return r.fail("element %q occurs twice, but may occur only once", start.name)
		}
		r.path = append(r.path, segment)
		if err := r.element(b, f, start, depth, each); err != nil {
			return err
		}
		r.path = r.path[:len(r.path)-1]
	}
}

// element reads one child element into b.
func (r *xmlReader) element(b *builder, f *field, start xmlTag, depth int, each eachEntry) error {
	if f.typ.xhtml() {
		div, err := r.div(start)
		b.add(f, string(div), nil)
		return err
	}
	if start.space != fhirNS {
		return r.fail("element %q is in namespace %q instead of %q", start.name, start.space, fhirNS)
	}
	switch {
	case f.typ == nil:
		o, err := r.inline(start, depth+1)
		b.add(f, o, nil)
		return err
	case f.typ.prim != nil:
		v, ext, err := r.primitive(start, f.typ, depth)
		b.add(f, v, ext)
		return err
	}
	o, err := r.complexValue(start, f.typ, depth+1)
	if err != nil {
		return err
	}
	if each != nil {
		if taken, err := each(f.dataName, o); taken || err != nil {
			return err
		}
	}
	b.add(f, o, nil)
	return nil
}

// inline reads the only child of an element that holds a resource.
func (r *xmlReader) inline(wrapper xmlTag, depth int) (*Object, error) {
	if len(wrapper.attrs) > 0 {
		return nil, r.fail("attribute %q is not allowed here", wrapper.attrs[0].name)
	}
	start, ok, err := r.child()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, r.fail("the element must hold a resource")
	}
	o, err := r.resource(start, depth, nil)
	if err != nil {
		return nil, err
	}
	if _, ok, err = r.child(); err == nil && ok {
		err = r.fail("the element may hold only one resource")
	}
	return o, err
}

// primitive reads a value, nil if there is none, and the id and extensions beside it.
func (r *xmlReader) primitive(start xmlTag, t *typeDef, depth int) (v any, ext *Object, err error) {
	b := builder{o: &Object{}, t: t}
	for _, a := range start.attrs {
		switch {
		case a.space == "" && a.name == "value" && v == nil:
			if v, err = r.primitiveValue(t.prim, a.value); err != nil {
				return nil, nil, err
			}
		case a.space == "" && a.name == "id" && !b.o.Has("id"):
			b.add(t.fields["id"], a.value, nil)
		default:
			return nil, nil, r.fail("attribute %q is not allowed here, or not twice", a.name)
		}
	}
	if err := r.content(&b, depth+1, nil); err != nil {
		return nil, nil, err
	}
	if b.o.Len() == 0 {
		return v, nil, nil
	}
	return v, b.o, nil
}

// primitiveValue is the value as JSON has it.
func (r *xmlReader) primitiveValue(p *primitive, text string) (any, error) {
	switch p.kind {
	case "number":
		if !isNumber(text) {
			return nil, r.fail("%q is not a valid %s", text, p.name)
		}
		return Number(text), nil
	case "boolean":
		if text != "true" && text != "false" {
			return nil, r.fail("%q is not a valid boolean: only true and false are", text)
		}
		return text == "true", nil
	}
	return text, nil
}

// builder collects the elements of one object.
type builder struct {
	o        *Object
	t        *typeDef
	last     int // order of the last member added
	unsorted bool
}

// add adds the value of an element, and for a primitive its id and extensions.
func (b *builder) add(f *field, v any, ext *Object) {
	isPrim := f.typ != nil && f.typ.prim != nil
	if isPrim && v == nil && ext == nil {
		ext = &Object{} // an element that says nothing is still there
	}
	if !f.many {
		if v != nil {
			b.append(f, f.dataName, v)
		}
		if ext != nil {
			b.append(f, f.extName, ext)
		}
		return
	}
	n := b.count(f)
	b.addItem(f, f.dataName, n, v)
	if isPrim {
		b.addItem(f, f.extName, n, orNil(ext))
	}
}

// addItem puts v behind the n items of an array, which begins with the first
// item that is not null.
func (b *builder) addItem(f *field, name string, n int, v any) {
	i := b.o.index(name)
	if i < 0 {
		if v != nil {
			b.append(f, name, append(make([]any, n, n+1), v))
		}
		return
	}
	b.o.members[i].Value = append(b.o.members[i].Value.([]any), v)
}

func (b *builder) append(f *field, name string, v any) {
	order := memberOrder(f, name)
	b.unsorted = b.unsorted || order < b.last
	b.last = order
	b.o.members = append(b.o.members, Member{name, v})
}

// count is the number of items that a repeating element has so far.
func (b *builder) count(f *field) int {
	if list, ok := b.o.Get(f.dataName).([]any); ok {
		return len(list)
	}
	list, _ := b.o.Get(f.extName).([]any)
	return len(list)
}

func (b *builder) sort() {
	if !b.unsorted {
		return
	}
	order := func(m Member) int {
		name := strings.TrimPrefix(m.Name, "_")
		if f := b.t.fields[name]; f != nil {
			return memberOrder(f, m.Name)
		}
		return -1 // resourceType
	}
	slices.SortStableFunc(b.o.members, func(x, y Member) int { return order(x) - order(y) })
}

// memberOrder is the place of a member among its siblings: _name follows name.
func memberOrder(f *field, name string) int {
	order := 2 * f.index
	if name != f.dataName {
		order++
	}
	return order
}

func orNil(o *Object) any {
	if o == nil {
		return nil
	}
	return o
}
