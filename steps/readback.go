package steps

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// runIdentifier is the system of the identifier that a source gives a patient,
// so that the copy is found at the target.
const runIdentifier = "urn:ccde:run"

// mark gives the passage's patient an identifier of this run, at the source.
func (w *world) mark(ctx context.Context, f *passage) error {
	if f.identifier != "" {
		return nil
	}
	for _, other := range w.flows {
		if other != f && other.source == f.source && other.patient == f.patient && other.identifier != "" {
			f.identifier = other.identifier
			return nil
		}
	}
	if f.source.control == nil {
		return nil // an outside source's patient is as it is
	}
	a, err := w.ask(ctx, call{from: "the administrator", bearer: f.source.admin, to: f.source, method: http.MethodGet,
		url: f.source.fhir + "/Patient/" + f.patient, kind: aRead})
	if err != nil {
		return err
	}
	o := a.resource()
	if a.Status != http.StatusOK || o == nil {
		return fmt.Errorf("%s has no Patient/%s: %s", f.source.title(), f.patient, a.is())
	}
	f.identifier = w.run + "-" + randomText(4)
	own := fhir.NewObject(fhir.Member{Name: "system", Value: runIdentifier}, fhir.Member{Name: "value", Value: f.identifier})
	o.Set("identifier", append(slices.Clone(o.List("identifier")), own))
	return w.put(ctx, f.source, o)
}

// put stores a resource at a mock, as its administrator.
func (w *world) put(ctx context.Context, n *node, o *fhir.Object) error {
	a, err := w.ask(ctx, call{kind: aWrite, from: "the administrator", bearer: n.admin, to: n, method: http.MethodPut,
		url: n.fhir + "/" + o.Type() + "/" + o.ID(), header: fhirJSON(), body: fhir.AppendJSON(nil, o)})
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK && a.Status != http.StatusCreated {
		return fmt.Errorf("%s did not take %s/%s: %s", n.title(), o.Type(), o.ID(), a.is())
	}
	return nil
}

// given is all that the source gave in these answers, as it was last.
func (w *world) given(data []seen) *graph {
	g := newGraph("")
	for _, e := range data {
		g.base = e.at.fhir
		if e.Status != http.StatusOK {
			continue
		}
		o := e.body()
		if o == nil {
			if b := e.binary(); b != nil {
				g.add(b)
			}
			continue
		}
		if o.Type() != "Bundle" {
			if o.ID() != "" {
				g.add(o)
			}
			continue
		}
		if o.Text("type") != "searchset" {
			continue // no answer to a search
		}
		for _, entry := range o.Objects("entry") {
			if r := entry.Child("resource"); r.Type() != "" && r.Type() != "OperationOutcome" && r.ID() != "" {
				g.add(r)
			}
		}
	}
	return g
}

// binary is a Binary that was given as bare bytes.
func (s seen) binary() *fhir.Object {
	path, _ := s.below()
	id, ok := strings.CutPrefix(path, "Binary/")
	if !ok || s.ResponseBody.Truncated {
		return nil
	}
	content := s.ResponseBody.Text
	if !s.ResponseBody.Base64 {
		content = base64.StdEncoding.EncodeToString([]byte(content))
	}
	return fhir.NewObject(fhir.Member{Name: "resourceType", Value: "Binary"}, fhir.Member{Name: "id", Value: id},
		fhir.Member{Name: "contentType", Value: strings.Join(header(s.ResponseHeader, "Content-Type"), "")},
		fhir.Member{Name: "content", Value: content})
}

// findCopy finds the patient's copy at the target by the run's identifier.
func (w *world) findCopy(ctx context.Context, f *passage) error {
	if f.target.readback == "" {
		return w.unjudged("no bearer reads copies at " + f.target.title())
	}
	query := "Patient?identifier=" + url.QueryEscape(runIdentifier+"|"+f.identifier)
	if f.identifier == "" && f.target.control != nil {
		// An outside source's patient is as it is; our mocks tag what they copy.
		query = "Patient?_tag=" + url.QueryEscape("urn:ccde:origin|"+f.source.fhir+"/Patient/"+f.patient)
	}
	all, err := w.search(ctx, f.target, "the administrator", f.target.readback, query)
	if err != nil {
		return err
	}
	id := orElse(w.copyJudge(), "TGT-26")
	switch len(all) {
	case 0:
		return w.rec.Fail(id, fmt.Sprintf("a copy of Patient/%s, found by Patient?identifier=", f.patient), "none at "+f.target.title())
	case 1:
		f.copy = all[0].ID()
		return nil
	}
	return w.rec.Fail(id, fmt.Sprintf("one copy of Patient/%s", f.patient), fmt.Sprintf("%d", len(all)))
}

// copyJudge is the requirement under which a copy is compared.
func (w *world) copyJudge() string {
	for _, id := range w.ids {
		switch id {
		case "TGT-26", "TGT-27", "TGT-30", "TGT-31", "TGT-32", "TGT-33", "TGT-34":
			return id
		}
	}
	return "TGT-26"
}

// copied is what the target holds of a passage: the S4S queries, and what they
// refer to.
func (w *world) copied(ctx context.Context, f *passage) (*graph, error) {
	if err := w.findCopy(ctx, f); err != nil {
		return nil, err
	}
	g := newGraph(f.target.fhir)
	if f.copy == "" {
		return g, nil
	}
	return g, w.gather(ctx, g, f.target, "the administrator", f.target.readback, f.copy)
}

// gather reads a patient's whole record, and what it refers to, into a graph.
func (w *world) gather(ctx context.Context, g *graph, n *node, caller, bearer, patient string) error {
	a, err := w.ask(ctx, call{from: caller, bearer: bearer, to: n, method: http.MethodGet, url: n.fhir + "/Patient/" + patient})
	if err != nil {
		return err
	}
	if o := a.resource(); a.Status == http.StatusOK && o != nil {
		g.add(o)
	}
	types, err := w.typesOf(ctx, n)
	if err != nil {
		return err
	}
	for _, q := range s4sQueries {
		if !slices.Contains(types, q.typ) {
			// A target need not list what it holds copies of.
			a, err := w.ask(ctx, call{from: caller, bearer: bearer, to: n, method: http.MethodGet, url: n.fhir + "/" + q.path(patient)})
			if err != nil {
				return err
			}
			if n.control != nil || a.Status != http.StatusOK {
				continue
			}
		}
		all, err := w.search(ctx, n, caller, bearer, q.path(patient)+"&_count=200")
		if err != nil {
			return err
		}
		for _, o := range all {
			g.add(o)
		}
	}
	tried := map[string]bool{}
	for i := 0; i < len(g.order); i++ { // grows while it is read
		var refs []string
		fhir.EachReference(g.nodes[g.order[i]].resource, func(r fhir.Reference) { refs = append(refs, r.Value) })
		for _, ref := range refs {
			base, typ, id, _, ok := fhir.SplitReference(ref)
			key := typ + "/" + id
			if !ok || base != "" && base != n.fhir || g.nodes[key] != nil || tried[key] {
				continue
			}
			tried[key] = true
			a, err := w.ask(ctx, call{from: caller, bearer: bearer, to: n, method: http.MethodGet, url: n.fhir + "/" + key})
			if err != nil {
				return err
			}
			if o := a.resource(); a.Status == http.StatusOK && o != nil {
				g.add(o)
			}
		}
	}
	return nil
}

// typesOf are the types that a node's CapabilityStatement lists.
func (w *world) typesOf(ctx context.Context, n *node) ([]string, error) {
	if types, known := w.news["types "+n.name].([]string); known {
		return types, nil
	}
	a, err := w.ask(ctx, call{from: "nobody", to: n, method: http.MethodGet, url: n.fhir + "/metadata"})
	if err != nil {
		return nil, err
	}
	types := listed(a.json())
	w.news["types "+n.name] = types
	return types, nil
}

// search reads a search to its last page.
func (w *world) search(ctx context.Context, n *node, caller, bearer, query string) ([]*fhir.Object, error) {
	pages, err := w.pages(ctx, n, caller, bearer, n.fhir+"/"+query)
	if err != nil {
		return nil, err
	}
	var out []*fhir.Object
	for _, p := range pages {
		out = append(out, entries(p.resource(), "match")...)
	}
	return out, nil
}

// entries are a searchset's resources of a mode; an entry without one is a match.
func entries(bundle *fhir.Object, mode string) []*fhir.Object {
	var out []*fhir.Object
	for _, e := range bundle.Objects("entry") {
		r := e.Child("resource")
		if m := e.Child("search").Text("mode"); r.Type() != "" && (m == mode || m == "" && mode == "match") && r.Type() != "OperationOutcome" {
			out = append(out, r)
		}
	}
	return out
}

// maxPages bounds a search whose pages have no end.
const maxPages = 500

// pages asks for a search and follows its next links.
func (w *world) pages(ctx context.Context, n *node, caller, bearer, place string) ([]*answer, error) {
	var out []*answer
	seenBefore := map[string]bool{}
	for place != "" {
		if seenBefore[place] || len(out) == maxPages {
			return nil, w.rec.Fail(orElse(w.subject, "SRC-64"), "pages that come to an end", "the same page again: "+place)
		}
		seenBefore[place] = true
		a, err := w.ask(ctx, call{from: caller, bearer: bearer, to: n, method: http.MethodGet, url: place})
		if err != nil {
			return nil, err
		}
		o := a.resource()
		if a.Status != http.StatusOK || o.Type() != "Bundle" || o.Text("type") != "searchset" {
			return nil, w.fail(a, orElse(w.subject, "SRC-64"), "200 and a searchset for "+place, a.is())
		}
		out = append(out, a)
		place = nextLink(o, place)
	}
	return out, nil
}
