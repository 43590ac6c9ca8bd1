package exchange

import (
	"errors"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// originSystem is the system of the tag that names a copy's original (protocol 1.5).
const originSystem = "urn:ccde:origin"

// rewrite makes the copy of an item: the copy's id, the tag, references to other copies. A reference to
// what isn't copied becomes absolute, and is noted, so that it is rewritten once that is copied.
func (c *copier) rewrite(it item, local string, old *fhir.Object) (*fhir.Object, error) {
	o := it.obj.Clone()
	o.Set("id", local)
	tag(o, c.st.Base+"/"+it.key.String())
	kept := localReferences(old)
	var failed error
	fhir.EachReference(o, func(r fhir.Reference) {
		k, version, ok := it.refers(r.Value)
		if !ok || failed != nil {
			return
		}
		to, held, err := c.target(k, kept)
		if err != nil {
			failed = err
			return
		}
		if to != "" {
			r.Set(k.typ + "/" + to)
		} else {
			absolute := c.st.Base + "/" + k.String()
			if version != "" {
				absolute += "/_history/" + version
			}
			r.Set(absolute)
		}
		if !held {
			failed = c.want(k, key{it.typ, local})
		}
	})
	return o, failed
}

// target is the id of the copy that a reference to k leads to, "" if there is none that counts: held by
// this connection, or led to before by another of the same record, which may read more.
func (c *copier) target(k key, kept map[key]bool) (to string, held bool, err error) {
	to, err = c.held(k)
	if err != nil || to != "" || len(kept) == 0 {
		return to, to != "", err
	}
	var known string
	err = c.tx.Record(kindCopy, copyName(k.typ, c.st.Base+"/"+k.String()), &known)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", false, nil
	case err != nil || !kept[key{k.typ, known}]:
		return "", false, err
	}
	return known, false, nil
}

// want notes that referrer, a copy, refers to k, which this connection hasn't copied.
func (c *copier) want(k, referrer key) error {
	if k.typ == "Patient" && k.id != c.st.Patient || k.typ != "Patient" && !c.w.mayRead(k) {
		return nil
	}
	if err := c.tx.PutRecord(kindReferrer, c.of(k)+"/"+referrer.String(), true); err != nil {
		return err
	}
	var w wanted
	err := c.tx.Record(kindWanted, c.of(k), &w)
	if errors.Is(err, store.ErrNotFound) {
		return c.tx.PutRecord(kindWanted, c.of(k), w)
	}
	return err
}

// localReferences are the copies that a resource of this node refers to.
func localReferences(o *fhir.Object) map[key]bool {
	if o == nil {
		return nil
	}
	kept := map[key]bool{}
	fhir.EachReference(o, func(r fhir.Reference) {
		if typ, id, ok := fhir.LocalReference(r.Value); ok {
			kept[key{typ, id}] = true
		}
	})
	return kept
}

// tag marks a copy with its original's URL, in place of an older mark: the original may be a copy too.
func tag(o *fhir.Object, url string) {
	meta := o.Child("meta")
	if meta == nil {
		meta = fhir.NewObject()
	}
	meta.Delete("versionId")
	meta.Delete("lastUpdated")
	var tags []*fhir.Object
	for _, t := range meta.Objects("tag") {
		if t.Text("system") != originSystem {
			tags = append(tags, t)
		}
	}
	tags = append(tags, fhir.NewObject(fhir.Member{Name: "system", Value: originSystem}, fhir.Member{Name: "code", Value: url}))
	meta.Set("tag", tags)
	o.Set("meta", meta)
}

// sameContent compares two resources without what the store gives them: version and time. The order
// of members doesn't count; numbers are compared as they are written.
func sameContent(a, b *fhir.Object) bool {
	return sameObject(withoutVersion(a), withoutVersion(b))
}

func withoutVersion(o *fhir.Object) *fhir.Object {
	plain := fhir.NewObject(o.Members()...)
	if meta := o.Child("meta"); meta != nil {
		m := fhir.NewObject(meta.Members()...)
		m.Delete("versionId")
		m.Delete("lastUpdated")
		plain.Set("meta", m)
	}
	return plain
}

func sameObject(a, b *fhir.Object) bool {
	if a.Len() != b.Len() {
		return false
	}
	for _, m := range a.Members() {
		if !b.Has(m.Name) || !sameValue(m.Value, b.Get(m.Name)) {
			return false
		}
	}
	return true
}

func sameValue(a, b any) bool {
	switch a := a.(type) {
	case *fhir.Object:
		b, ok := b.(*fhir.Object)
		return ok && sameObject(a, b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameValue(a[i], b[i]) {
				return false
			}
		}
		return true
	default:
		return a == b
	}
}
