package fhir

import "strconv"

// path is a place in a resource, as a chain to its root; it is made while
// walking down, and spelled out only for a message.
type path struct {
	parent *path
	name   string
	index  int // in an array, else -1
}

func (p *path) child(name string) path { return path{parent: p, name: name, index: -1} }

func (p *path) item(i int) path { return path{parent: p.parent, name: p.name, index: i} }

// String is the place in FHIRPath, such as Patient.name[0].given[1].
func (p *path) String() string { return string(p.append(nil)) }

func (p *path) append(dst []byte) []byte {
	if p == nil {
		return dst
	}
	if dst = p.parent.append(dst); len(dst) > 0 {
		dst = append(dst, '.')
	}
	dst = append(dst, shorten(p.name)...)
	if p.index >= 0 {
		dst = strconv.AppendInt(append(dst, '['), int64(p.index), 10)
		dst = append(dst, ']')
	}
	return dst
}
