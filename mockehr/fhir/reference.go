package fhir

import "strings"

// Reference is a place in a resource that points to another resource: a
// Reference.reference, or an Attachment.url and the like that points to a Binary.
type Reference struct {
	Value string // Patient/1, http://other.example/r3/Patient/1/_history/2, urn:uuid:..
	owner *Object
	name  string
}

// Set writes another value to the place.
func (r Reference) Set(value string) { r.owner.Set(r.name, value) }

// EachReference calls fn for every reference within o, those of contained
// resources and of Bundle entries too; references to contained ones (#..) are
// left out. fn may set the reference that it is given.
func EachReference(o *Object, fn func(r Reference)) {
	eachReference(o, "", fn)
}

func eachReference(o *Object, parent string, fn func(r Reference)) {
	if o == nil {
		return
	}
	for i := range o.members {
		switch v := o.members[i].Value.(type) {
		case string:
			if name := o.members[i].Name; isReference(o, parent, name, v) {
				fn(Reference{Value: v, owner: o, name: name})
			}
		case *Object:
			eachReference(v, o.members[i].Name, fn)
		case []any:
			for _, item := range v {
				if c, ok := item.(*Object); ok {
					eachReference(c, o.members[i].Name, fn)
				}
			}
		}
	}
}

// isReference tells by its form whether a string of o, which is the value of
// the member parent, is a reference. In a Reference it always is one. A resource
// that has a text "reference" itself (DetectedIssue, ProcessRequest) is none. Of
// URLs only those count that name a Binary, or a Bundle's entry (urn:..): the
// others are identities and web pages.
func isReference(o *Object, parent, name, value string) bool {
	switch name {
	case "reference":
		return value != "" && value[0] != '#' && !o.Has("resourceType")
	case "url":
		if parent == "extension" || parent == "modifierExtension" || parent == "link" || parent == "request" || o.Has("resourceType") {
			return false
		}
		return pointsToBinary(value)
	case "valueUri":
		return pointsToBinary(value)
	}
	return false
}

func pointsToBinary(value string) bool {
	if strings.HasPrefix(value, "urn:uuid:") || strings.HasPrefix(value, "urn:oid:") {
		return true
	}
	if !strings.Contains(value, "Binary/") {
		return false
	}
	_, typ, _, _, ok := SplitReference(value)
	return ok && typ == "Binary"
}

// SplitReference takes a literal reference apart: http://x/r3/Patient/1/_history/2
// has the base http://x/r3, Patient, 1 and 2. base is "" for a relative one,
// version "" for one without. ok is false for all else: fragments, urn:uuid,
// searches, unknown types, ids that are none.
func SplitReference(ref string) (base, typ, id, version string, ok bool) {
	rest := ref
	if i := strings.LastIndex(rest, "/_history/"); i >= 0 {
		rest, version = rest[:i], rest[i+len("/_history/"):]
		if !ValidID(version) {
			return "", "", "", "", false
		}
	}
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		return "", "", "", "", false
	}
	rest, id = rest[:i], rest[i+1:]
	typ = rest
	if i = strings.LastIndexByte(rest, '/'); i >= 0 {
		base, typ = rest[:i], rest[i+1:]
		if !strings.HasPrefix(base, "http://") && !strings.HasPrefix(base, "https://") {
			return "", "", "", "", false
		}
	}
	if !ValidID(id) || !IsResourceType(typ) || strings.ContainsAny(base, "?#") {
		return "", "", "", "", false
	}
	return base, typ, id, version, true
}

// LocalReference is SplitReference for what is on the server with one of these
// bases: relative references, and absolute ones below a base. A slash at the end
// of a base does not count.
func LocalReference(ref string, bases ...string) (typ, id string, ok bool) {
	base, typ, id, _, ok := SplitReference(ref)
	if !ok || base == "" {
		return typ, id, ok
	}
	for _, own := range bases {
		if own != "" && strings.TrimSuffix(own, "/") == base {
			return typ, id, true
		}
	}
	return "", "", false
}
