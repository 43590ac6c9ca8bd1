package fhir

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// typeDef is a type that elements may have: a primitive, a complex type, a
// resource, or the nameless type of a backbone element, called by its path.
type typeDef struct {
	name     string
	elements []*element        // all, inherited ones first: the order in XML
	fields   map[string]*field // by name in data: valueQuantity, not value[x]
	prim     *primitive        // of primitives and xhtml, else nil
	resource bool
}

// element is an element as its type defines it.
type element struct {
	name     string // without [x]
	index    int    // position in typeDef.elements
	required bool
	many     bool
	choice   bool
	attr     bool // an attribute in XML
	valueSet string
	targets  []string // of its References
	simple   bool     // SimpleQuantity: no comparator
	names    []string // the names in data, several for a choice
}

// field is a name that occurs in data: an element with one of its types.
type field struct {
	*element
	dataName string   // name, or name and type for a choice
	extName  string   // "_" + dataName: the sibling that holds id and extensions of a primitive
	typ      *typeDef // nil for an inline resource of any type
}

// primitive is how the values of a primitive type look.
type primitive struct {
	name  string
	kind  string // string, number or boolean in JSON
	regex *regexp.Regexp
}

func (t *typeDef) xhtml() bool { return t != nil && t.prim != nil && t.prim.name == "xhtml" }

// schema is the tables as a graph of types.
type schema struct {
	types map[string]*typeDef // by name, and by path for backbone elements
}

// loadSchema reads the tables on first use; the schema is for reading only.
var loadSchema = sync.OnceValue(buildSchema)

func buildSchema() *schema {
	b := &schemaBuilder{
		rows:  map[string][]elementRow{},
		bases: map[string]string{},
		types: map[string]*typeDef{},
	}
	b.readTypes()
	for _, row := range elementRows() {
		owner := row.Path[:strings.LastIndexByte(row.Path, '.')]
		b.rows[owner] = append(b.rows[owner], row)
	}
	// Types may contain themselves, so all exist before any is filled in.
	for owner := range b.rows {
		if b.types[owner] == nil {
			b.types[owner] = &typeDef{name: owner}
			b.bases[owner] = b.backboneBase(owner)
		}
	}
	for name, t := range b.types {
		b.fill(name, t)
	}
	return &schema{types: b.types}
}

type schemaBuilder struct {
	rows  map[string][]elementRow // by the path of their owner
	bases map[string]string
	types map[string]*typeDef
}

func (b *schemaBuilder) readTypes() {
	for _, row := range typeRows() {
		b.bases[row.Name] = row.Base
		b.types[row.Name] = &typeDef{name: row.Name, resource: row.Kind == "resource"}
	}
	for _, row := range primitiveRows() {
		p := &primitive{name: row.Name, kind: row.JSONKind}
		if row.Regex != "" {
			p.regex = regexp.MustCompile(`^(?:` + row.Regex + `)$`) // the table is ours, and tested
		}
		b.types[row.Name].prim = p
	}
}

// backboneBase is what the element at that path, which has children of its own,
// is typed: BackboneElement or Element.
func (b *schemaBuilder) backboneBase(path string) string {
	owner := path[:strings.LastIndexByte(path, '.')]
	for _, row := range b.rows[owner] {
		if row.Path == path {
			return row.Types[0]
		}
	}
	return "Element"
}

// fill gives a type its elements: those of its bases, then its own.
func (b *schemaBuilder) fill(name string, t *typeDef) {
	var rows []elementRow
	for owner := name; owner != ""; owner = b.bases[owner] {
		rows = append(slices.Clone(b.rows[owner]), rows...)
	}
	t.fields = make(map[string]*field, len(rows))
	for _, row := range rows {
		path := row.Path
		e := &element{
			name:     path[strings.LastIndexByte(path, '.')+1:],
			index:    len(t.elements),
			required: row.Required, many: row.Many, attr: row.XML == "attr",
			valueSet: row.ValueSet,
		}
		for _, target := range row.Targets {
			if target == "profile:SimpleQuantity" {
				e.simple = true
			} else {
				e.targets = append(e.targets, target)
			}
		}
		e.name, e.choice = strings.CutSuffix(e.name, "[x]")
		for _, code := range row.Types {
			f := &field{element: e, dataName: e.name, typ: b.contentType(path, code)}
			if e.choice {
				f.dataName += strings.ToUpper(code[:1]) + code[1:]
			}
			f.extName = "_" + f.dataName
			e.names = append(e.names, f.dataName)
			t.fields[f.dataName] = f
		}
		t.elements = append(t.elements, e)
	}
}

// contentType finds the type behind a type code of the element at that path.
func (b *schemaBuilder) contentType(path, code string) *typeDef {
	switch {
	case code == "Resource":
		return nil
	case code[0] == '#':
		return b.types[code[1:]]
	case b.types[path] != nil: // has children of its own
		return b.types[path]
	}
	return b.types[code]
}

// concreteTypes are the resource types that data can have. They have a table of
// their own, as they are asked for far more often than the schema is needed.
var concreteTypes = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for _, row := range typeRows() {
		if row.Kind == "resource" && !row.Abstract {
			names[row.Name] = true
		}
	}
	return names
})

// Types returns the names of the concrete resource types, sorted.
func Types() []string { return slices.Sorted(maps.Keys(concreteTypes())) }

// IsResourceType tells whether name is a concrete resource type, such as Patient.
func IsResourceType(name string) bool { return concreteTypes()[name] }

// resourceType returns a concrete resource type, nil if there is none of that name.
func resourceType(name string) *typeDef {
	if !IsResourceType(name) {
		return nil
	}
	return loadSchema().types[name]
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

// coding is a code and the system it belongs to.
type coding struct{ system, code string }

// valueSet is what a required binding allows.
type valueSet struct {
	codings map[coding]bool
	codes   map[string]bool
}

// loadValueSets reads the expanded value sets by URL on first use. One that the
// specification cannot enumerate is missing.
var loadValueSets = sync.OnceValue(func() map[string]valueSet {
	sets := map[string]valueSet{}
	for _, row := range codeRows() {
		set, ok := sets[row.ValueSet]
		if !ok {
			set = valueSet{map[coding]bool{}, map[string]bool{}}
			sets[row.ValueSet] = set
		}
		if !row.Abstract {
			set.codings[coding{row.System, row.Code}] = true
			set.codes[row.Code] = true
		}
	}
	return sets
})

// list names the codes of a small value set for a message, "" for a large one.
func (v valueSet) list() string {
	if len(v.codes) > 12 {
		return ""
	}
	return strings.Join(slices.Sorted(maps.Keys(v.codes)), ", ")
}
