package fhir

// contains notes what o contains, for the references within.
func (v *validator) contains(p *path, o *Object) {
	for i, item := range o.List("contained") {
		c, _ := item.(*Object)
		id := c.ID()
		if id == "" {
			continue
		}
		if _, twice := v.contained[id]; twice {
			all := p.child("contained")
			at := all.item(i)
			child := at.child("id")
			v.add(&child, "invariant", "another contained resource has the id %q too", shorten(id))
		}
		if v.contained == nil {
			v.contained = map[string]string{}
		}
		v.contained[id] = ""
		if typ := c.Type(); IsResourceType(typ) { // else that is what is wrong
			v.contained[id] = typ
		}
	}
}

// unreferred reports what is contained for nothing.
func (v *validator) unreferred(p *path, o *Object) {
	for i, item := range o.List("contained") {
		c, _ := item.(*Object)
		if id := c.ID(); id != "" && !v.referred[id] {
			all := p.child("contained")
			at := all.item(i)
			v.add(&at, "invariant", "nothing refers to the contained resource, by %q (dom-3)", "#"+shorten(id))
		}
	}
}

// containedResource checks a resource within another; it shares the references
// of its container.
func (v *validator) containedResource(p *path, o *Object, depth int) {
	v.inner = o.ID()
	v.anyResource(p, o, depth)
	v.inner = ""
	if o.ID() == "" {
		child := p.child("id")
		v.add(&child, "required", "a contained resource needs an id, by which it is referred to")
	}
	if o.Has("contained") {
		child := p.child("contained")
		v.add(&child, "invariant", "a contained resource cannot contain others (dom-2)")
	}
	if o.Has("text") {
		child := p.child("text")
		v.add(&child, "invariant", "a contained resource has no narrative of its own (dom-1)")
	}
	for _, name := range []string{"versionId", "lastUpdated"} {
		if o.Child("meta").Has(name) {
			meta := p.child("meta")
			child := meta.child(name)
			v.add(&child, "invariant", "a contained resource has no version of its own (dom-4)")
		}
	}
}
