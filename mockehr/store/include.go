package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// include is an _include: what a reference parameter of the matches points to.
type include struct {
	all    bool // *: any reference
	param  fhir.SearchParam
	target string // only resources of this type; "": any
}

func (s *Search) parseInclude(text string) error {
	if text == "*" {
		s.includes = append(s.includes, include{all: true})
		return nil
	}
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return badSearch("_include", "%q is none; write %s:param, %s:param:Type or *", shorten(text), s.typ, s.typ)
	}
	if parts[0] != s.typ {
		return badSearch("_include", "%q starts at another type than the search's; write %s:%s", shorten(text), s.typ, shorten(parts[1]))
	}
	if parts[1] == "*" && len(parts) == 2 {
		s.includes = append(s.includes, include{all: true})
		return nil
	}
	p, ok := fhir.ParamOf(s.typ, parts[1])
	if !ok || p.Type != "reference" {
		return badSearch("_include", "%s has no reference parameter %q", s.typ, shorten(parts[1]))
	}
	inc := include{param: p}
	if len(parts) == 3 {
		inc.target = parts[2]
		if !fhir.IsResourceType(inc.target) {
			return badSearch("_include", "%q is no resource type", shorten(inc.target))
		}
	}
	s.includes = append(s.includes, inc)
	return nil
}

// mostIncluded bounds what _include brings to one page.
const mostIncluded = 1000

// included returns what the matches refer to by the parameters of includes. In a
// scope it leaves out what is in another Patient's compartment.
func (tx *Tx) included(includes []include, matches []Version, scope Scope) ([]Version, error) {
	if len(includes) == 0 {
		return nil, nil
	}
	seen := map[resourceKey]bool{}
	for _, m := range matches {
		seen[resourceKey{m.Type, m.ID}] = true
	}
	var found []Version
	for _, m := range matches {
		r, err := fhir.ParseJSON(m.JSON)
		if err != nil {
			return nil, fmt.Errorf("%s/%s as stored: %w", m.Type, m.ID, err)
		}
		for _, inc := range includes {
			for _, ref := range inc.references(r) {
				typ, id, ok := fhir.LocalReference(ref, tx.s.base)
				key := resourceKey{typ, id}
				if !ok || seen[key] || inc.target != "" && inc.target != typ || len(found) >= mostIncluded {
					continue
				}
				seen[key] = true
				v, err := tx.Read(typ, id)
				switch {
				case errors.Is(err, ErrNotFound), errors.Is(err, ErrDeleted):
					continue
				case err != nil:
					return nil, err
				case scope.Patient != "" && fhir.InPatientCompartment(typ) && !slices.Contains(v.Patients, scope.Patient):
					continue
				}
				found = append(found, v)
			}
		}
	}
	return found, nil
}

func (inc include) references(r *fhir.Object) []string {
	var texts []string
	if inc.all {
		fhir.EachReference(r, func(ref fhir.Reference) { texts = append(texts, ref.Value) })
		return texts
	}
	for _, v := range inc.param.Extract(r) {
		texts = append(texts, v.Text)
	}
	return texts
}
