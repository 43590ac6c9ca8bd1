package mockehr

import (
	"net/http"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// rewrite makes the references of a resource to others of the Bundle point to
// where these are stored (FHIR STU3 2.21.0.17.3), and notes whether it has
// conditional ones.
func (t *transaction) rewrite(_ int, q *request) error {
	base, _, _, _, _ := fhir.SplitReference(q.fullURL)
	fhir.EachReference(q.resource, func(ref fhir.Reference) {
		here, ok := t.renamed[ref.Value]
		if !ok && base != "" && !strings.Contains(ref.Value, "://") {
			// A relative one is meant as it would be where the resource comes from.
			if _, typ, id, _, relative := fhir.SplitReference(ref.Value); relative {
				here, ok = t.renamed[base+"/"+typ+"/"+id]
			}
		}
		if ok {
			ref.Set(here)
		}
		_, _, conditional := searchIn(ref.Value)
		q.searching = q.searching || conditional
	})
	t.rewriteNarrative(q.resource)
	return nil
}

// searchIn takes a conditional reference (Patient?identifier=1) apart.
func searchIn(text string) (typ, criteria string, ok bool) {
	typ, criteria, ok = strings.Cut(text, "?")
	return typ, criteria, ok && fhir.IsResourceType(typ)
}

// resolved stores a resource once its conditional references are resolved.
func (t *transaction) resolved(i int, q *request) error {
	var failed error
	fhir.EachReference(q.resource, func(ref fhir.Reference) {
		if typ, criteria, ok := searchIn(ref.Value); ok && failed == nil {
			var here string
			if here, failed = t.find(typ, criteria); failed == nil {
				ref.Set(here)
			}
		}
	})
	if failed != nil {
		return failed
	}
	return t.store(i, q)
}

// find is the one resource that a conditional reference stands for.
func (t *transaction) find(typ, criteria string) (string, error) {
	scope, err := t.s.maySearch(t.ctx, t.c, typ)
	if err != nil {
		return "", err
	}
	text := clip(typ + "?" + criteria)
	found, err := only(t.tx, scope, typ, "the reference "+text, criteria)
	if err != nil {
		return "", err
	}
	if found == nil {
		return "", &httpError{status: http.StatusPreconditionFailed, code: "not-found", message: "the reference " + text + " finds nothing here"}
	}
	return found.Type + "/" + found.ID, nil
}

// rewriteNarrative does the same for the links of a narrative.
func (t *transaction) rewriteNarrative(o *fhir.Object) {
	div := o.Text("text", "div")
	if !strings.Contains(div, "urn:") {
		return
	}
	for from, to := range t.renamed {
		if strings.HasPrefix(from, "urn:") {
			div = strings.ReplaceAll(div, `"`+from+`"`, `"`+to+`"`)
		}
	}
	o.Child("text").Set("div", div)
}
