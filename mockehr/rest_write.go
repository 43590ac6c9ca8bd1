package mockehr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// create answers POST [base]/[type] (FHIR STU3 2.21.0.9): the id is the
// server's. If-None-Exist makes it conditional.
func (s *Server) create(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	typ := mux.Vars(r)["type"]
	c, err := s.dataCaller(r, typ)
	if err != nil {
		return err
	}
	if err := s.mayWrite(ctx, c, typ, nil); err != nil {
		return err
	}
	o, err := readResource(r, typ)
	if err != nil {
		return err
	}
	if err := invalid(o); err != nil {
		return err
	}
	if err := s.checkConsent(ctx, c, o); err != nil {
		return err
	}
	var v store.Version
	status := http.StatusCreated
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if found, err := ifNoneExist(tx, typ, r.Header.Get("If-None-Exist")); err != nil || found != nil {
			if found != nil {
				v, status = *found, http.StatusOK
				return s.mayRead(ctx, tx, c, v)
			}
			return err
		}
		v, err = tx.Create(o, c.owner())
		return err
	})
	if err != nil {
		return err
	}
	if status == http.StatusCreated {
		w.Header().Set("Location", s.location(v))
	}
	return s.writeWritten(w, r, status, v)
}

// update answers PUT [base]/[type]/[id] (FHIR STU3 2.21.0.10), If-Match
// heeded; what isn't there yet is made under that id.
func (s *Server) update(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	typ, id := mux.Vars(r)["type"], mux.Vars(r)["id"]
	c, err := s.dataCaller(r, typ)
	if err != nil {
		return err
	}
	if !fhir.ValidID(id) {
		return malformed(fmt.Sprintf("%q is no FHIR id", id))
	}
	if c.role == granted && !c.grant.SignIn {
		if err := s.mayWrite(ctx, c, typ, nil); err != nil {
			return err
		}
	}
	o, err := readResource(r, typ)
	if err != nil {
		return err
	}
	if o.ID() != id {
		return malformed(fmt.Sprintf("id is %q in the resource and %q in the URL; they must be the same", o.ID(), id))
	}
	if err := invalid(o); err != nil {
		return err
	}
	if err := s.checkConsent(ctx, c, o); err != nil {
		return err
	}
	var v store.Version
	var made bool
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		was, err := current(tx, typ, id)
		if err != nil {
			return err
		}
		if err := s.mayWrite(ctx, c, typ, was); err != nil {
			return err
		}
		if was == nil && !c.unrestricted() {
			return &httpError{status: http.StatusMethodNotAllowed, code: "not-supported",
				message: "there is no " + typ + "/" + id + "; this bearer makes a resource by POST"}
		}
		if err := ifMatch(r.Header.Get("If-Match"), was); err != nil {
			return err
		}
		owner := c.owner()
		if was != nil {
			owner = was.Owner
		}
		v, made, err = tx.Put(o, owner)
		return err
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
		w.Header().Set("Location", s.location(v))
	}
	return s.writeWritten(w, r, status, v)
}

// remove answers DELETE [base]/[type]/[id]; again: the same answer.
func (s *Server) remove(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	typ, id := mux.Vars(r)["type"], mux.Vars(r)["id"]
	c, err := s.dataCaller(r, typ)
	if err != nil {
		return err
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		was, err := current(tx, typ, id)
		if err != nil {
			return err
		}
		if err := s.mayWrite(ctx, c, typ, was); err != nil {
			return err
		}
		if err := ifMatch(r.Header.Get("If-Match"), was); err != nil {
			return err
		}
		if was == nil {
			return nil
		}
		_, err = tx.Delete(typ, id)
		return err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// current is what stands at typ/id now, nil for nothing or something deleted.
func current(tx *store.Tx, typ, id string) (*store.Version, error) {
	v, err := tx.Read(typ, id)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrDeleted):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &v, nil
}

// ifMatch refuses a write that was made for another version (412).
func ifMatch(header string, was *store.Version) error {
	if header == "" {
		return nil
	}
	want := strings.Trim(strings.TrimPrefix(strings.TrimSpace(header), "W/"), `"`)
	if was != nil && (want == "*" || want == strconv.FormatInt(was.VersionID, 10)) {
		return nil
	}
	return &httpError{status: http.StatusPreconditionFailed, code: "conflict",
		message: "If-Match names version " + want + ", which is not the current one; read it again"}
}

// ifNoneExist is the one resource that a conditional create finds there
// already, nil if none; several are an error (412).
func ifNoneExist(tx *store.Tx, typ, header string) (*store.Version, error) {
	if header == "" {
		return nil, nil
	}
	if _, after, ok := strings.Cut(header, "?"); ok {
		header = after
	}
	values, err := url.ParseQuery(header)
	if err != nil {
		return nil, malformed("If-None-Exist can't be read: " + err.Error())
	}
	query, err := store.ParseSearch(typ, values, true)
	if err != nil {
		return nil, err
	}
	found, err := tx.Search(query, store.Scope{})
	switch {
	case err != nil:
		return nil, err
	case len(found.Matches) == 0:
		return nil, nil
	case len(found.Matches) > 1:
		return nil, &httpError{status: http.StatusPreconditionFailed, code: "duplicate", message: "If-None-Exist matches more than one resource"}
	}
	return &found.Matches[0], nil
}

// checkConsent holds a Consent to protocol 1.2 when it is written; other
// resources pass.
func (s *Server) checkConsent(ctx context.Context, c caller, o *fhir.Object) error {
	if o.Type() != "Consent" {
		return nil
	}
	signedIn := ""
	if c.role == granted {
		signedIn = c.grant.Patient
	}
	return s.oauth.CheckConsent(ctx, o, signedIn)
}

func (s *Server) location(v store.Version) string {
	return s.base() + "/" + v.Type + "/" + v.ID + "/_history/" + strconv.FormatInt(v.VersionID, 10)
}

// writeWritten answers a write; Prefer: return=minimal leaves the body out.
func (s *Server) writeWritten(w http.ResponseWriter, r *http.Request, status int, v store.Version) error {
	if strings.Contains(strings.Join(r.Header.Values("Prefer"), ","), "return=minimal") {
		w.Header().Set("ETag", `W/"`+strconv.FormatInt(v.VersionID, 10)+`"`)
		w.Header().Set("Last-Modified", v.LastUpdated.UTC().Format(http.TimeFormat))
		w.WriteHeader(status)
		return nil
	}
	return s.writeVersion(w, r, status, v)
}
