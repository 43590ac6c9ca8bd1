package fhir

import (
	"maps"
	"slices"
	"strings"
)

// fillType reads the rows of a named type: its own elements, and those of the
// backbone elements within.
func fillType(t *typeDef) {
	rows := elementRows(t.name)
	f := typeFiller{path: map[string]*typeDef{t.name: t}}
	inherit(t)
	// Types may contain themselves, so all exist before any is filled in.
	for _, row := range rows {
		if kind := row.Types[0]; kind == "BackboneElement" || kind == "Element" {
			part := &typeDef{name: row.Path, base: kind}
			part.once.Do(func() { inherit(part) })
			f.path[row.Path] = part
		}
	}
	for _, row := range rows {
		f.add(row)
	}
}

// inherit gives a type the elements of its base. They are the same in all that
// are derived from it, since they come first.
func inherit(t *typeDef) {
	if t.base == "" {
		t.loaded = typeContent{fields: map[string]*field{}}
		return
	}
	base := namedTypes()[t.base].content()
	t.loaded = typeContent{slices.Clip(base.elements), maps.Clone(base.fields)}
}

// typeFiller adds elements to a named type and to its parts.
type typeFiller struct {
	path map[string]*typeDef
}

func (f *typeFiller) add(row elementRow) {
	dot := strings.LastIndexByte(row.Path, '.')
	t := &f.path[row.Path[:dot]].loaded
	e := &element{
		name:     row.Path[dot+1:],
		index:    len(t.elements),
		required: row.Required, many: row.Many, attr: row.XML == "attr",
		valueSet: valueSetOf(row.ValueSet),
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
		member := &field{element: e, dataName: e.name, typ: f.typeOf(row.Path, code)}
		if e.choice {
			member.dataName += strings.ToUpper(code[:1]) + code[1:]
			e.choices = append(e.choices, member.dataName)
		}
		if member.typ != nil && member.typ.prim != nil {
			member.extName = "_" + member.dataName
		}
		t.fields[member.dataName] = member
	}
	t.elements = append(t.elements, e)
}

// typeOf finds the type behind a type code of the element at that path.
func (f *typeFiller) typeOf(path, code string) *typeDef {
	switch {
	case code == "Resource":
		return nil
	case code[0] == '#': // refers to an element of the same named type
		return f.path[code[1:]]
	case f.path[path] != nil:
		return f.path[path]
	}
	return namedTypes()[code]
}
