package fhir

import (
	"regexp"
	"slices"
	"sync"
)

// typeDef is a type that elements may have: a primitive, a complex type, a
// resource, or the nameless type of a backbone element, called by its path.
type typeDef struct {
	name     string
	base     string     // the type whose elements come first, "" if there is none
	prim     *primitive // of primitives and xhtml, else nil
	resource bool
	abstract bool

	once   sync.Once
	loaded typeContent
}

// typeContent is what a type consists of. It is for reading only.
type typeContent struct {
	elements []*element        // all, inherited ones first: the order in XML
	fields   map[string]*field // by name in data: valueQuantity, not value[x]
}

// element is an element as its type defines it.
type element struct {
	name     string // without [x]
	index    int    // position in typeContent.elements
	required bool
	many     bool
	choice   bool
	attr     bool      // an attribute in XML
	valueSet *valueSet // of a required binding, else nil
	targets  []string  // of its References
	simple   bool      // SimpleQuantity: no comparator
	choices  []string  // of a choice: its names in data
}

// field is a name that occurs in data: an element with one of its types.
type field struct {
	*element
	dataName string   // name, or name and type for a choice
	extName  string   // of a primitive: "_" + dataName, the sibling that holds its id and extensions
	typ      *typeDef // nil for an inline resource of any type
}

// primitive is how the values of a primitive type look.
type primitive struct {
	name  string
	kind  string                // string, number or boolean in JSON
	regex func() *regexp.Regexp // nil if the specification gives none
}

func (t *typeDef) xhtml() bool { return t != nil && t.prim != nil && t.prim.name == "xhtml" }

// namedTypes are the types that have a name of their own. To ask for one costs
// little: what it consists of is read when first needed, as few nodes ever see
// more than a handful of them.
var namedTypes = sync.OnceValue(func() map[string]*typeDef {
	types := map[string]*typeDef{}
	for _, row := range typeRows() {
		types[row.Name] = &typeDef{name: row.Name, base: row.Base, resource: row.Kind == "resource", abstract: row.Abstract}
	}
	for _, row := range primitiveRows() {
		p := &primitive{name: row.Name, kind: row.JSONKind}
		if row.Regex != "" {
			p.regex = sync.OnceValue(func() *regexp.Regexp {
				return regexp.MustCompile(`^(?:` + row.Regex + `)$`) // the table is ours, and tested
			})
		}
		types[row.Name].prim = p
	}
	return types
})

// Types returns the names of the concrete resource types, sorted.
func Types() []string {
	var names []string
	for _, t := range namedTypes() {
		if t.resource && !t.abstract {
			names = append(names, t.name)
		}
	}
	slices.Sort(names)
	return names
}

// IsResourceType tells whether name is a concrete resource type, such as Patient.
func IsResourceType(name string) bool { return resourceType(name) != nil }

// resourceType returns a concrete resource type, nil if there is none of that name.
func resourceType(name string) *typeDef {
	t := namedTypes()[name]
	if t == nil || !t.resource || t.abstract {
		return nil
	}
	return t
}

// content reads what the type consists of, at the first call.
func (t *typeDef) content() *typeContent {
	t.once.Do(func() { fillType(t) })
	return &t.loaded
}

// ValidID tells whether id can be a resource's id: 1 to 64 letters, digits, "-" and ".".
func ValidID(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}
