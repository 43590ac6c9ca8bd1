package fhir

import (
	"strings"
)

// searchPath is one alternative of a search parameter's FHIRPath expression,
// compiled against the tables. The subset is the one that searchparams.tsv uses:
// names joined by points, .as(T), .is(T), .where(system='..') and .exists().
type searchPath struct {
	steps  []pathStep
	exists bool // the value is whether there is anything
	is     bool // the value is true where there is something of the wanted type
}

// pathStep is one name of a path with the members that it stands for: several for a choice.
type pathStep struct {
	fields []*field
	system string // where(system='..'), "" for any
}

// compileExpression compiles an expression of a resource type. Alternatives that
// name no element of the type are left out, as are those that end in an element
// without a type of its own; the tables have one such (Location.position).
func compileExpression(resource, expression string) []searchPath {
	var paths []searchPath
	for part := range strings.SplitSeq(expression, " | ") {
		if p, ok := compilePath(resource, part); ok {
			paths = append(paths, p)
		}
	}
	return paths
}

func compilePath(resource, part string) (searchPath, bool) {
	var p searchPath
	names := splitPath(part)
	owner := resourceType(resource)
	if owner == nil || len(names) < 2 || (names[0] != resource && names[0] != "Resource" && names[0] != "DomainResource") {
		return p, false
	}
	for _, name := range names[1:] {
		function, argument, isFunction := strings.Cut(strings.TrimSuffix(name, ")"), "(")
		if !isFunction {
			fields := owner.named(name)
			if len(fields) == 0 {
				return p, false
			}
			p.steps = append(p.steps, pathStep{fields: fields})
			owner = fields[0].typ
			continue
		}
		if len(p.steps) == 0 {
			return p, false
		}
		last := &p.steps[len(p.steps)-1]
		switch function {
		case "as", "is":
			last.fields = ofType(last.fields, argument)
			if len(last.fields) == 0 {
				return p, false
			}
			owner = last.fields[0].typ
			p.is = function == "is"
		case "where":
			_, system, _ := strings.Cut(argument, "=")
			last.system = strings.Trim(system, "'")
		case "exists":
			p.exists = true
		default:
			return p, false
		}
	}
	return p, true
}

// splitPath splits at points, those within parentheses aside.
func splitPath(part string) []string {
	var names []string
	depth, from := 0, 0
	for i := range len(part) {
		switch part[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '.':
			if depth == 0 {
				names = append(names, part[from:i])
				from = i + 1
			}
		}
	}
	return append(names, part[from:])
}

// named returns the members that the element of that name can be in data.
func (t *typeDef) named(name string) []*field {
	if t == nil {
		return nil
	}
	for _, e := range t.content().elements {
		switch {
		case e.name != name:
			continue
		case !e.choice:
			return []*field{t.content().fields[name]}
		}
		fields := make([]*field, len(e.choices))
		for i, dataName := range e.choices {
			fields[i] = t.content().fields[dataName]
		}
		return fields
	}
	return nil
}

// ofType picks the members of a type. The case of its first letter does not
// count: the specification writes as(DateTime) and as(String) in places.
func ofType(fields []*field, name string) []*field {
	var picked []*field
	for _, f := range fields {
		if f.typ != nil && strings.EqualFold(f.typ.name, name) {
			picked = append(picked, f)
		}
	}
	return picked
}

// walk calls emit for each value that the path leads to, with the member it is in.
func (p *searchPath) walk(o *Object, emit func(v any, f *field)) {
	p.walkFrom(o, 0, emit)
}

func (p *searchPath) walkFrom(o *Object, i int, emit func(v any, f *field)) {
	step := &p.steps[i]
	for _, f := range step.fields {
		switch v := o.Get(f.dataName).(type) {
		case nil:
		case []any:
			for _, item := range v {
				p.visit(item, f, i, emit)
			}
		default:
			p.visit(v, f, i, emit)
		}
	}
}

func (p *searchPath) visit(v any, f *field, i int, emit func(v any, f *field)) {
	child, isObject := v.(*Object)
	if v == nil || p.steps[i].system != "" && child.Text("system") != p.steps[i].system {
		return
	}
	if i == len(p.steps)-1 {
		emit(v, f)
	} else if isObject {
		p.walkFrom(child, i+1, emit)
	}
}

// same tells whether two paths lead to the same values.
func (p *searchPath) same(q searchPath) bool {
	if len(p.steps) != len(q.steps) || p.exists != q.exists || p.is != q.is {
		return false
	}
	for i := range p.steps {
		a, b := p.steps[i], q.steps[i]
		if a.system != b.system || len(a.fields) != len(b.fields) || a.fields[0] != b.fields[0] {
			return false
		}
	}
	return true
}
