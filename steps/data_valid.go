package steps

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

func (w *world) readsRecord(ctx context.Context, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	g, err := w.recordOf(ctx, n, "the application", w.flow.patient)
	w.news["record"], w.news["record at"] = g, n
	return err
}

func (w *world) allValid(context.Context) error {
	g, ok := w.news["record"].(*graph)
	if !ok {
		return fmt.Errorf("no record was read")
	}
	for _, key := range g.order {
		o := g.nodes[key].resource
		if !fhir.ValidID(o.ID()) {
			return w.rec.Fail("SRC-65", "an id in each resource", key)
		}
		for _, issue := range fhir.Validate(o) {
			if issue.Severity == "error" || issue.Severity == "fatal" {
				return w.rec.Fail("SRC-65", key+" as STU3 defines it", strings.Join(issue.Expression, ", ")+": "+issue.Diagnostics)
			}
		}
	}
	return nil
}

func (w *world) referencesResolve(ctx context.Context) error {
	g, ok := w.news["record"].(*graph)
	if !ok {
		return fmt.Errorf("no record was read")
	}
	n := w.news["record at"].(*node)
	types, err := w.typesOf(ctx, n)
	if err != nil {
		return err
	}
	for _, key := range g.order {
		var lost string
		fhir.EachReference(g.nodes[key].resource, func(r fhir.Reference) {
			base, typ, id, _, ok := fhir.SplitReference(r.Value)
			if ok && (base == "" || base == n.fhir) && slices.Contains(types, typ) && g.nodes[typ+"/"+id] == nil {
				lost = typ + "/" + id
			}
		})
		if lost == "" {
			continue
		}
		others, err := w.isAnothers(ctx, n, lost)
		if err != nil {
			return err
		}
		if !others {
			return w.rec.Fail("SRC-65", "a reference that can be read: "+lost+" in "+key, "it can't be")
		}
	}
	return nil
}

// isAnothers says that a resource belongs to another patient, as the administrator sees it.
func (w *world) isAnothers(ctx context.Context, n *node, path string) (bool, error) {
	if n.admin == "" {
		return false, nil
	}
	a, err := w.ask(ctx, call{kind: aRead, from: "the administrator", bearer: n.admin, to: n, method: http.MethodGet, url: n.fhir + "/" + path})
	if err != nil {
		return false, err
	}
	o := a.resource()
	if a.Status != http.StatusOK || o == nil {
		return false, nil
	}
	owners := fhir.CompartmentPatients(o, n.fhir)
	return len(owners) > 0 && !slices.Contains(owners, w.flow.patient), nil
}
