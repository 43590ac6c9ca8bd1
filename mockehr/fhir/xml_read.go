package fhir

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
	r := &xmlReader{xmlScanner: scanXML(trimBOM(data))}
	return r.root()
}

// root reads a document that is one resource.
func (r *xmlReader) root() (*Object, error) {
	start, err := r.rootStart()
	if err != nil {
		return nil, err
	}
	o, err := r.resource(start, 1, newScratch(), nil)
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// eachEntry may take an item of an array, which then is not kept; see [ReadBundleXML].
type eachEntry func(name string, v *Object) (taken bool, err error)

// resource reads the resource whose start tag was read, up to its end tag.
// scratch is room to collect its members in, here and below.
func (r *xmlReader) resource(start xmlTag, depth int, scratch []Member, each eachEntry) (*Object, error) {
	t := resourceType(start.name)
	if t == nil || start.space != fhirNS {
		return nil, r.fail("<%s> in namespace %q is not a resource of FHIR STU3; resources are in %q", shorten(start.name), shorten(start.space), fhirNS)
	}
	if len(r.path) == 0 {
		r.path = append(r.path, pathSegment{t.name, -1})
	}
	for _, a := range start.attrs {
		if a.space != xsiNS {
			return nil, r.fail("attribute %q is not allowed on a resource", shorten(a.name))
		}
	}
	b := builder{t: t, members: append(scratch, Member{"resourceType", t.name})}
	if err := r.content(&b, depth, each); err != nil {
		return nil, err
	}
	return b.object(), nil
}

// complexValue reads an element of a complex type.
func (r *xmlReader) complexValue(start xmlTag, t *typeDef, depth int, scratch []Member) (*Object, error) {
	b := builder{t: t, members: scratch}
	for _, a := range start.attrs {
		f := t.content().fields[a.name]
		switch {
		case f == nil || !f.attr || a.space != "":
			return nil, r.fail("attribute %q is not allowed here", shorten(a.name))
		default:
			b.add(f, a.value, nil)
		}
	}
	if err := r.content(&b, depth, nil); err != nil {
		return nil, err
	}
	return b.object(), nil
}

// content reads an object of that depth, up to the end tag.
func (r *xmlReader) content(b *builder, depth int, each eachEntry) error {
	if depth > maxDepth {
		return r.fail("nested too deep")
	}
	return r.children(b, depth, each)
}

// children reads child elements into b, up to the end tag.
func (r *xmlReader) children(b *builder, depth int, each eachEntry) error {
	for {
		start, ok, err := r.child()
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		f := b.t.content().fields[start.name]
		if f == nil || f.attr {
			return r.fail("%s has no element %q", b.t.name, shorten(start.name))
		}
		segment := pathSegment{f.name, -1}
		if f.many {
			segment.index = b.taken + b.count(f)
		} else if b.has(f) {
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
		return r.fail("element %q is in namespace %q instead of %q", start.name, shorten(start.space), fhirNS)
	}
	switch {
	case f.typ == nil:
		o, err := r.inline(start, depth+1, b.scratch())
		b.add(f, o, nil)
		return err
	case f.typ.prim != nil:
		v, ext, err := r.primitive(start, f.typ, depth, b.scratch())
		b.add(f, v, ext)
		return err
	}
	o, err := r.complexValue(start, f.typ, depth+1, b.scratch())
	if err != nil {
		return err
	}
	if each != nil {
		taken, err := each(f.dataName, o)
		if taken {
			b.taken++
		}
		if taken || err != nil {
			return err
		}
	}
	b.add(f, o, nil)
	return nil
}

// inline reads the only child of an element that holds a resource.
func (r *xmlReader) inline(wrapper xmlTag, depth int, scratch []Member) (*Object, error) {
	if len(wrapper.attrs) > 0 {
		return nil, r.fail("attribute %q is not allowed here", shorten(wrapper.attrs[0].name))
	}
	start, ok, err := r.child()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, r.fail("the element must hold a resource")
	}
	o, err := r.resource(start, depth, scratch, nil)
	if err != nil {
		return nil, err
	}
	if _, ok, err = r.child(); err == nil && ok {
		err = r.fail("the element may hold only one resource")
	}
	return o, err
}

// primitive reads a value, nil if there is none, and the id and extensions beside it.
func (r *xmlReader) primitive(start xmlTag, t *typeDef, depth int, scratch []Member) (v any, ext *Object, err error) {
	b := builder{t: t, members: scratch}
	for _, a := range start.attrs {
		switch {
		case a.space == "" && a.name == "value":
			if v, err = r.primitiveValue(t.prim, a.value); err != nil {
				return nil, nil, err
			}
		case a.space == "" && a.name == "id":
			b.add(t.content().fields["id"], a.value, nil)
		default:
			return nil, nil, r.fail("attribute %q is not allowed here", shorten(a.name))
		}
	}
	if err := r.children(&b, depth+1, nil); err != nil {
		return nil, nil, err
	}
	switch {
	case len(b.members) == 0:
		return v, nil, nil
	case depth == maxDepth:
		return nil, nil, r.fail("nested too deep")
	}
	return v, b.object(), nil
}

// primitiveValue is the value as JSON has it.
func (r *xmlReader) primitiveValue(p *primitive, text string) (any, error) {
	switch p.kind {
	case "number":
		if !isNumber(text) {
			return nil, r.fail("%q is not a valid %s", shorten(text), p.name)
		}
		return Number(text), nil
	case "boolean":
		if text != "true" && text != "false" {
			return nil, r.fail("%q is not a valid boolean: only true and false are", shorten(text))
		}
		return text == "true", nil
	}
	return text, nil
}
