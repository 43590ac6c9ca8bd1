package mockehr

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// search answers GET [base]/[type]?.. and POST [base]/[type]/_search with a
// searchset (FHIR STU3 2.21.0.13), held to what the caller may see.
func (s *Server) search(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	typ := mux.Vars(r)["type"]
	c, err := s.dataCaller(r, typ)
	if err != nil {
		return err
	}
	values, err := parseQuery(r.URL.RawQuery)
	if err != nil { // a part that is passed over would find what nobody asked for
		return malformed("the query can't be read: " + err.Error())
	}
	if r.Method == http.MethodPost && (r.ContentLength != 0 || r.Header.Get("Content-Type") != "") { // all may stand in the URL
		form, err := readForm(w, r)
		if err != nil {
			return err
		}
		for name, texts := range form {
			values[name] = append(values[name], texts...)
		}
		// What a form says of the answer's form counts as in the URL.
		r.URL.RawQuery = url.Values{"_format": values["_format"], "_pretty": values["_pretty"]}.Encode()
		if err := acceptable(r); err != nil {
			return err
		}
	}
	strict := preference(r.Header, "handling") == "strict"
	var bundle *fhir.Object
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		bundle, err = s.searchset(ctx, tx, c, typ, values, strict)
		return err
	})
	if err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusOK, bundle)
	return nil
}

// searchset is the Bundle that answers a search; strict is Prefer:
// handling=strict.
func (s *Server) searchset(ctx context.Context, tx *store.Tx, c caller, typ string, values url.Values, strict bool) (*fhir.Object, error) {
	values.Del("access_token") // no credential, and nothing to repeat in a link
	for i, text := range values["_lastUpdated"] {
		values["_lastUpdated"][i] = check.Value(ctx, s.checks, "SRC-63", check.Inputs{"_lastUpdated": text, "type": typ}, text)
	}
	query, err := store.ParseSearch(typ, values, strict)
	if err != nil {
		return nil, err
	}
	scope, err := s.maySearch(ctx, c, typ)
	if err != nil {
		return nil, err
	}
	found, err := tx.Search(query, scope)
	if err != nil {
		return nil, err
	}
	return s.bundleOf(ctx, tx, c, typ, found)
}

func (s *Server) bundleOf(ctx context.Context, tx *store.Tx, c caller, typ string, found store.Result) (*fhir.Object, error) {
	base := s.base()
	bundle := fhir.NewObject(
		fhir.Member{Name: "resourceType", Value: "Bundle"},
		fhir.Member{Name: "type", Value: "searchset"},
		fhir.Member{Name: "total", Value: fhir.Number(strconv.Itoa(found.Total))})
	links := []any{link("self", withQuery(base+"/"+typ, found.Self))}
	next := check.Value(ctx, s.checks, "SRC-64", check.Inputs{"type": typ, "next": found.Next, "count": len(found.Matches), "total": found.Total,
		"query": map[string][]string(found.Self)}, found.Next)
	if next != "" {
		following := url.Values{}
		for name, texts := range found.Self {
			following[name] = texts
		}
		following.Set(store.CursorParam, next)
		links = append(links, link("next", withQuery(base+"/"+typ, following)))
	}
	bundle.Set("link", links)
	var entries []any
	for _, v := range found.Matches {
		entry, err := searchEntry(base, v, "match")
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	for _, v := range found.Included {
		if s.mayRead(ctx, tx, c, v) != nil {
			continue // an include shows nothing that a read would not
		}
		entry, err := searchEntry(base, v, "include")
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	if len(entries) > 0 {
		bundle.Set("entry", entries)
	}
	return bundle, nil
}

func searchEntry(base string, v store.Version, mode string) (*fhir.Object, error) {
	o, err := fhir.ParseJSON(v.JSON)
	if err != nil {
		return nil, err
	}
	return fhir.NewObject(
		fhir.Member{Name: "fullUrl", Value: base + "/" + v.Type + "/" + v.ID},
		fhir.Member{Name: "resource", Value: o},
		fhir.Member{Name: "search", Value: fhir.NewObject(fhir.Member{Name: "mode", Value: mode})}), nil
}

func withQuery(base string, values url.Values) string {
	if len(values) == 0 {
		return base
	}
	return base + "?" + values.Encode()
}
