package acme

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// definitions are FHIR's own: which elements a type has, in their order.
type definitions struct {
	base     map[string]string // a type's base type
	kind     map[string]string // primitive, complex, resource
	json     map[string]string // a primitive's form in JSON: string, number, boolean
	elements map[string][]element
}

type element struct {
	name      string // value[x] has its [x]
	many      bool
	types     []string
	ref       string // the path whose children it has
	path      string
	attribute bool
}

func readDefinitions(dir string) (*definitions, error) {
	d := &definitions{base: map[string]string{}, kind: map[string]string{}, json: map[string]string{}, elements: map[string][]element{}}
	err := rows(filepath.Join(dir, "types.tsv"), func(c []string) { d.kind[c[0]], d.base[c[0]] = c[1], c[2] })
	if err == nil {
		err = rows(filepath.Join(dir, "primitives.tsv"), func(c []string) { d.json[c[0]] = c[1] })
	}
	if err == nil {
		err = rows(filepath.Join(dir, "elements.tsv"), func(c []string) {
			i := strings.LastIndex(c[0], ".")
			if i < 0 {
				return
			}
			e := element{name: c[0][i+1:], path: c[0], many: c[2] != "1", attribute: c[7] == "attr"}
			if ref, ok := strings.CutPrefix(c[3], "#"); ok {
				e.ref = ref
			} else {
				e.types = strings.FieldsFunc(c[3], func(r rune) bool { return r == '|' || r == ' ' || r == ',' })
			}
			d.elements[c[0][:i]] = append(d.elements[c[0][:i]], e)
		})
	}
	return d, err
}

func rows(file string, each func([]string)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for first := true; in.Scan(); first = false {
		if cells := strings.Split(in.Text(), "\t"); !first && len(cells) > 2 {
			each(append(cells, "", "", "", "", "", "", ""))
		}
	}
	return in.Err()
}

// children are the elements of a type or of a backbone element, in order.
func (d *definitions) children(path string) []element {
	if strings.Contains(path, ".") { // a backbone: its own, after those of its type
		return append(slices.Clone(d.children("BackboneElement")), d.elements[path]...)
	}
	if base := d.base[path]; base != "" {
		return append(slices.Clone(d.children(base)), d.elements[path]...)
	}
	return d.elements[path]
}

// inside is where an element's children are found, "" for a primitive.
func (d *definitions) inside(e element, typ string) string {
	switch {
	case e.ref != "":
		return e.ref
	case typ == "BackboneElement" || typ == "Element":
		return e.path
	case d.kind[typ] == "primitive" || typ == "Resource":
		return ""
	}
	return typ
}

// find is the element that a name in data stands for, and its type.
func find(children []element, name string) (element, string, bool) {
	for _, e := range children {
		if e.name == name {
			typ := ""
			if len(e.types) > 0 {
				typ = e.types[0]
			}
			return e, typ, true
		}
		if stem, choice := strings.CutSuffix(e.name, "[x]"); choice && strings.HasPrefix(name, stem) {
			for _, typ := range e.types {
				if name == stem+strings.ToUpper(typ[:1])+typ[1:] {
					return e, typ, true
				}
			}
		}
	}
	return element{}, "", false
}

// check says what of a resource FHIR doesn't know.
func (d *definitions) check(o map[string]any) error {
	typ, _ := o["resourceType"].(string)
	if d.kind[typ] != "resource" {
		return fmt.Errorf("%q is no resource type", typ)
	}
	return d.checkIn(typ, typ, o)
}

func (d *definitions) checkIn(at, path string, o map[string]any) error {
	children := d.children(path)
	for name, v := range o {
		if name == "resourceType" && at == path {
			continue
		}
		e, typ, ok := find(children, strings.TrimPrefix(name, "_"))
		if !ok {
			return fmt.Errorf("%s has no element %s", at, name)
		}
		values, list := v.([]any)
		if list != e.many {
			return fmt.Errorf("%s.%s: a list is needed, or none", at, name)
		}
		if !list {
			values = []any{v}
		}
		for _, one := range values {
			if err := d.checkOne(at+"."+name, e, typ, one, name[0] == '_'); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *definitions) checkOne(at string, e element, typ string, v any, shadow bool) error {
	o, isObject := v.(map[string]any)
	switch path := d.inside(e, typ); {
	case typ == "Resource":
		if !isObject {
			return fmt.Errorf("%s: a resource is needed", at)
		}
		return d.check(o)
	case path != "":
		if !isObject {
			return fmt.Errorf("%s: an object is needed", at)
		}
		return d.checkIn(at, path, o)
	case shadow || v == nil:
		return nil
	}
	is := "string"
	switch v.(type) {
	case bool:
		is = "boolean"
	case string:
	case interface{ Float64() (float64, error) }:
		is = "number"
	default:
		is = "no primitive"
	}
	if want := d.json[typ]; is != want {
		return fmt.Errorf("%s: a %s is needed", at, want)
	}
	return nil
}
