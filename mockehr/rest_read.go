package mockehr

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// read answers GET [base]/[type]/[id] (FHIR STU3 2.21.0.7), conditional on
// If-None-Match and If-Modified-Since where these are sent.
func (s *Server) read(w http.ResponseWriter, r *http.Request) error {
	vars := mux.Vars(r)
	return s.readVersion(w, r, vars["type"], vars["id"], func(tx *store.Tx) (store.Version, error) {
		return tx.Read(vars["type"], vars["id"])
	})
}

// vread answers GET [base]/[type]/[id]/_history/[vid].
func (s *Server) vread(w http.ResponseWriter, r *http.Request) error {
	vars := mux.Vars(r)
	vid, err := strconv.ParseInt(vars["vid"], 10, 64)
	if err != nil {
		return noSuchVersion(vars["type"], vars["id"], vars["vid"])
	}
	return s.readVersion(w, r, vars["type"], vars["id"], func(tx *store.Tx) (store.Version, error) {
		return tx.ReadVersion(vars["type"], vars["id"], vid)
	})
}

func noSuchVersion(typ, id, vid string) error {
	return &httpError{status: http.StatusNotFound, code: "not-found", message: typ + "/" + id + " has no version " + vid}
}

func (s *Server) readVersion(w http.ResponseWriter, r *http.Request, typ, id string, get func(*store.Tx) (store.Version, error)) error {
	ctx := r.Context()
	c, err := s.dataCaller(r, typ)
	if err != nil {
		return err
	}
	var v store.Version
	err = s.store.View(ctx, func(tx *store.Tx) error {
		v, err = get(tx)
		if err != nil {
			return hideDeleted(c, err)
		}
		return s.mayRead(ctx, tx, c, v)
	})
	if err != nil {
		return err
	}
	return s.writeVersion(w, r, http.StatusOK, v)
}

// hideDeleted tells "deleted" from "never was" only to who may see all.
func hideDeleted(c caller, err error) error {
	if err == store.ErrDeleted && !c.unrestricted() {
		return store.ErrNotFound
	}
	return err
}

// dataCaller is who asks for data of a type, refused where nobody is known
// behind the bearer, and where the answer could not be written.
func (s *Server) dataCaller(r *http.Request, typ string) (caller, error) {
	if !fhir.IsResourceType(typ) {
		return caller{}, noSuchType(typ)
	}
	if err := acceptable(r); err != nil {
		return caller{}, err
	}
	c, err := s.caller(r)
	if err != nil {
		return c, err
	}
	id := "SRC-41"
	if typ == "Consent" {
		id = "SRC-48"
	}
	return c, s.known(r.Context(), c, id, typ)
}

func noSuchType(typ string) error {
	return &httpError{status: http.StatusNotFound, code: "not-supported", message: strconv.Quote(typ) + " is no resource type of FHIR STU3"}
}

// writeVersion answers one version with its ETag and Last-Modified; the bytes
// go out as stored where JSON was asked for.
func (s *Server) writeVersion(w http.ResponseWriter, r *http.Request, status int, v store.Version) error {
	etag := `W/"` + strconv.FormatInt(v.VersionID, 10) + `"`
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Last-Modified", v.LastUpdated.UTC().Format(http.TimeFormat))
	if r.Method == http.MethodGet && status == http.StatusOK && unchanged(r, etag, v.LastUpdated) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	rep, _ := negotiate(r)
	if rep.format == formatJSON && !rep.pretty {
		writeBytes(w, status, contentType(rep), v.JSON)
		return nil
	}
	o, err := fhir.ParseJSON(v.JSON)
	if err != nil {
		return err
	}
	s.writeResource(w, r, status, o)
	return nil
}

// unchanged says whether a conditional read (FHIR STU3 2.21.0.8) has what is
// current; If-None-Match goes before If-Modified-Since (RFC 7232 6).
func unchanged(r *http.Request, etag string, modified time.Time) bool {
	if match := r.Header.Get("If-None-Match"); match != "" {
		for candidate := range strings.SplitSeq(match, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(etag, "W/") {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !modified.Truncate(time.Second).After(since)
}

// history answers GET [base]/[type]/[id]/_history: the versions that the
// caller may read, the newest first.
func (s *Server) history(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	typ, id := mux.Vars(r)["type"], mux.Vars(r)["id"]
	c, err := s.dataCaller(r, typ)
	if err != nil {
		return err
	}
	bundle := fhir.NewObject(fhir.Member{Name: "resourceType", Value: "Bundle"}, fhir.Member{Name: "type", Value: "history"})
	err = s.store.View(ctx, func(tx *store.Tx) error {
		entries, err := s.historyEntries(ctx, tx, c, typ, id)
		if err != nil {
			return err
		}
		bundle.Set("total", fhir.Number(strconv.Itoa(len(entries))))
		bundle.Set("link", []any{link("self", s.base()+"/"+typ+"/"+id+"/_history")})
		bundle.Set("entry", entries)
		return nil
	})
	if err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusOK, bundle)
	return nil
}

func (s *Server) historyEntries(ctx context.Context, tx *store.Tx, c caller, typ, id string) ([]any, error) {
	versions, err := tx.History(typ, id)
	if err != nil {
		return nil, err
	}
	var entries []any
	var refused error
	for _, v := range versions {
		if !v.Deleted {
			if refused = s.mayRead(ctx, tx, c, v); refused != nil {
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
			refused = store.ErrNotFound
		}
		return nil, refused
	}
	return entries, nil
}

func historyEntry(base string, v store.Version) (*fhir.Object, error) {
	entry := fhir.NewObject(fhir.Member{Name: "fullUrl", Value: base + "/" + v.Type + "/" + v.ID})
	method := "PUT"
	switch {
	case v.Deleted:
		method = "DELETE"
	case v.VersionID == 1:
		method = "POST"
	}
	if !v.Deleted {
		o, err := fhir.ParseJSON(v.JSON)
		if err != nil {
			return nil, err
		}
		entry.Set("resource", o)
	}
	url := v.Type + "/" + v.ID
	if method == "POST" {
		url = v.Type
	}
	entry.Set("request", fhir.NewObject(fhir.Member{Name: "method", Value: method}, fhir.Member{Name: "url", Value: url}))
	return entry, nil
}

func link(relation, url string) *fhir.Object {
	return fhir.NewObject(fhir.Member{Name: "relation", Value: relation}, fhir.Member{Name: "url", Value: url})
}
