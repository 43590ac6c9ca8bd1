package fhir

import (
	"slices"
	"strings"
)

// builder collects the elements of one object.
type builder struct {
	t        *typeDef
	members  []Member // on scratch; what is kept is copied from there, in its size
	taken    int      // items of an array that were not kept; see eachEntry
	last     int      // order of the last member added
	unsorted bool
}

// object is what was collected, its members in the order of the specification.
func (b *builder) object() *Object {
	if b.unsorted {
		slices.SortStableFunc(b.members, func(x, y Member) int { return b.order(x) - b.order(y) })
	}
	return &Object{members: slices.Clone(b.members)}
}

func (b *builder) order(m Member) int {
	if f := b.t.content().fields[strings.TrimPrefix(m.Name, "_")]; f != nil {
		return memberOrder(f, m.Name)
	}
	return -1 // resourceType
}

// memberOrder is the place of a member among its siblings: _name follows name.
func memberOrder(f *field, name string) int {
	order := 2 * f.index
	if name != f.dataName {
		order++
	}
	return order
}

// newScratch is room for the members of an object and of those within it; with
// more they move elsewhere.
func newScratch() []Member { return make([]Member, 0, 64) }

// scratch is the room behind the members, for those of a child.
func (b *builder) scratch() []Member { return b.members[len(b.members):] }

func (b *builder) index(name string) int {
	return slices.IndexFunc(b.members, func(m Member) bool { return m.Name == name })
}

// has tells whether there is a value, or an id or extensions, of a field.
func (b *builder) has(f *field) bool {
	return b.index(f.dataName) >= 0 || f.extName != "" && b.index(f.extName) >= 0
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
	i := b.index(name)
	if i < 0 {
		if v != nil {
			b.append(f, name, append(make([]any, n, n+1), v))
		}
		return
	}
	b.members[i].Value = append(b.members[i].Value.([]any), v)
}

func (b *builder) append(f *field, name string, v any) {
	order := memberOrder(f, name)
	b.unsorted = b.unsorted || order < b.last
	b.last = order
	b.members = append(b.members, Member{name, v})
}

// count is the number of items that a repeating element has so far.
func (b *builder) count(f *field) int {
	for _, name := range [...]string{f.dataName, f.extName} {
		if i := b.index(name); i >= 0 {
			return len(b.members[i].Value.([]any))
		}
	}
	return 0
}

// orNil makes an untyped nil of a nil object.
func orNil(o *Object) any {
	if o == nil {
		return nil
	}
	return o
}
