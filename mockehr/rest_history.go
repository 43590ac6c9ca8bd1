package mockehr

import (
	"context"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// history answers GET [base]/[type]/[id]/_history: the versions that the
// caller may read, the newest first.
func (s *Server) history(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	typ, id := mux.Vars(r)["type"], mux.Vars(r)["id"]
	c, err := s.dataCaller(r, typ)
	if err != nil {
		return err
	}
	var bundle *fhir.Object
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		bundle, err = s.historyOf(ctx, tx, c, typ, id)
		return err
	})
	if err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusOK, bundle)
	return nil
}

// historyOf is the Bundle that answers a history.
func (s *Server) historyOf(ctx context.Context, tx *store.Tx, c caller, typ, id string) (*fhir.Object, error) {
	entries, err := s.historyEntries(ctx, tx, c, typ, id)
	if err != nil {
		return nil, err
	}
	return object(
		member("resourceType", "Bundle"),
		member("type", "history"),
		member("total", fhir.Number(strconv.Itoa(len(entries)))),
		member("link", []any{link("self", s.base()+"/"+typ+"/"+id+"/_history")}),
		member("entry", entries)), nil
}

func (s *Server) historyEntries(ctx context.Context, tx *store.Tx, c caller, typ, id string) ([]any, error) {
	if err := s.mayReadType(ctx, c, typ); err != nil {
		return nil, err
	}
	versions, err := tx.History(typ, id)
	if err != nil {
		return nil, notHere(c, typ, id, err)
	}
	var entries []any
	var refused error
	for _, v := range versions {
		if !v.Deleted {
			if refused = s.mayReadOne(ctx, tx, c, v); refused != nil {
				continue
			}
		} else if !c.unrestricted() {
			continue
		}
		entry, err := historyEntry(s.base(), v)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		if refused == nil {
			refused = notHere(c, typ, id, store.ErrNotFound)
		}
		return nil, refused
	}
	return entries, nil
}

func historyEntry(base string, v store.Version) (*fhir.Object, error) {
	entry := object(member("fullUrl", base+"/"+v.Type+"/"+v.ID))
	method, url := "PUT", v.Type+"/"+v.ID
	switch {
	case v.Deleted:
		method = "DELETE"
	case v.VersionID == 1:
		method, url = "POST", v.Type
	}
	if !v.Deleted {
		o, err := fhir.ParseJSON(v.JSON)
		if err != nil {
			return nil, err
		}
		entry.Set("resource", o)
	}
	entry.Set("request", object(member("method", method), member("url", url)))
	return entry, nil
}

func link(relation, url string) *fhir.Object {
	return object(member("relation", relation), member("url", url))
}
