package fhir

import "strconv"

// path is a place in a resource, as a chain to its root; it is made while
// walking down, and spelled out only for a message.
type path struct {
	parent *path
	pathSegment
}

// pathSegment is one name of a path.
type pathSegment struct {
	name  string
	index int // in an array, else -1
}

func rootPath(typ string) path { return path{nil, pathSegment{typ, -1}} }

func (p *path) child(name string) path { return path{p, pathSegment{name, -1}} }

func (p *path) item(i int) path { return path{p.parent, pathSegment{p.name, i}} }

// String is the place in FHIRPath, such as Patient.name[0].given[1].
func (p *path) String() string { return string(p.append(nil)) }

func (p *path) append(dst []byte) []byte {
	if p == nil {
		return dst
	}
	return p.pathSegment.append(p.parent.append(dst))
}

// joinPath spells out a path that is a list.
func joinPath(segments []pathSegment) string {
	var dst []byte
	for _, s := range segments {
		dst = s.append(dst)
	}
	return string(dst)
}

// append spells out the segment behind the path dst.
func (s pathSegment) append(dst []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, '.')
	}
	dst = append(dst, pathName(s.name)...)
	if s.index >= 0 {
		dst = strconv.AppendInt(append(dst, '['), int64(s.index), 10)
		dst = append(dst, ']')
	}
	return dst
}

// pathName is a name as it stands in FHIRPath: one that is no word in quotes.
func pathName(name string) string {
	for i := range len(name) {
		if c := name[i]; c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return strconv.Quote(shorten(name))
		}
	}
	return shorten(name)
}
