package mockehr

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// read answers GET [base]/[type]/[id] (FHIR STU3 2.21.0.7), conditional on
// If-None-Match and If-Modified-Since where these are sent.
func (s *Server) read(w http.ResponseWriter, r *http.Request) error {
	return s.answerRead(w, r, "")
}

// vread answers GET [base]/[type]/[id]/_history/[vid].
func (s *Server) vread(w http.ResponseWriter, r *http.Request) error {
	return s.answerRead(w, r, mux.Vars(r)["vid"])
}

func (s *Server) answerRead(w http.ResponseWriter, r *http.Request, vid string) error {
	ctx := r.Context()
	vars := mux.Vars(r)
	c, err := s.dataCaller(r, vars["type"])
	if err != nil {
		return err
	}
	var v store.Version
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		v, err = s.version(ctx, tx, c, vars["type"], vars["id"], vid)
		return err
	})
	if err != nil {
		return err
	}
	stamp(w.Header(), v)
	switch {
	case conditionOf(r.Header).unchanged(v):
		w.WriteHeader(http.StatusNotModified)
		return nil
	case asItIs(r, v.Type):
		return writeBinary(w, r, v)
	}
	return s.writeVersion(w, r, http.StatusOK, v)
}

// version is what a read shows c: the current version, or with a vid that one.
func (s *Server) version(ctx context.Context, tx *store.Tx, c caller, typ, id, vid string) (v store.Version, err error) {
	if err := s.mayReadType(ctx, c, typ); err != nil {
		return v, err
	}
	if vid == "" {
		v, err = tx.Read(typ, id)
	} else {
		n, bad := strconv.ParseInt(vid, 10, 64)
		if bad != nil {
			n = 0 // there is none of that number
		}
		v, err = tx.ReadVersion(typ, id, n)
	}
	if err != nil {
		return v, notHere(c, typ, id, err)
	}
	return v, s.mayReadOne(ctx, tx, c, v)
}

// notHere says what of a resource isn't there. "Deleted" is told apart from
// "never was" only to who may see all.
func notHere(c caller, typ, id string, err error) error {
	switch {
	case errors.Is(err, store.ErrDeleted) && c.unrestricted():
		return &httpError{status: http.StatusGone, code: "not-found", message: typ + "/" + id + " was deleted"}
	case errors.Is(err, store.ErrDeleted), errors.Is(err, store.ErrNotFound):
		return &httpError{status: http.StatusNotFound, code: "not-found", message: absent(typ, id)}
	}
	return err
}

// absent is the message of a 404. It is the same for what isn't there and for
// what a caller may not know of: an id tells nothing.
func absent(typ, id string) string {
	return "there is no " + typ + "/" + id + " here, or none for this bearer"
}

// dataCaller is who asks for data of a type, refused where nobody is known
// behind the bearer, and where the answer could not be written.
func (s *Server) dataCaller(r *http.Request, typ string) (caller, error) {
	if !fhir.IsResourceType(typ) {
		return caller{}, noSuchType(typ)
	}
	if !asItIs(r, typ) {
		if err := acceptable(r); err != nil {
			return caller{}, err
		}
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
	stamp(w.Header(), v)
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
