package mockehr

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// change is one write: of a request, or of an entry of a Bundle. Its resource,
// where there is one, has been validated, and the caller may write its type.
type change struct {
	method      string // POST, PUT or DELETE
	typ         string
	id          string // of a POST: the id that it was given in advance, "" for one that the store makes
	resource    *fhir.Object
	ifMatch     string
	ifNoneExist string // of a POST: criteria of a conditional create
	criteria    string // of a PUT or DELETE without an id: criteria that find what is meant
}

// written is what became of a change. A deletion of what isn't there has no version.
type written struct {
	status  int
	version *store.Version
}

// create answers POST [base]/[type] (FHIR STU3 2.21.0.9): the id is the
// server's. If-None-Exist makes it conditional.
func (s *Server) create(w http.ResponseWriter, r *http.Request) error {
	typ := mux.Vars(r)["type"]
	c, err := s.writer(r, typ)
	if err != nil {
		return err
	}
	o, err := s.readCreated(r, typ)
	if err != nil {
		return err
	}
	return s.write(w, r, c, change{method: r.Method, typ: typ, resource: o, ifNoneExist: r.Header.Get("If-None-Exist")})
}

// readCreated is the resource of a create, which for a Binary may come as it is.
func (s *Server) readCreated(r *http.Request, typ string) (*fhir.Object, error) {
	if typ == "Binary" && !isFHIRBody(r) {
		return readBinary(r)
	}
	o, err := readResource(r, typ)
	if err != nil {
		return nil, err
	}
	return o, invalid(o)
}

// update answers PUT [base]/[type]/[id] (FHIR STU3 2.21.0.10), If-Match
// heeded; what isn't there yet is made under that id.
func (s *Server) update(w http.ResponseWriter, r *http.Request) error {
	return s.replace(w, r, change{method: r.Method, typ: mux.Vars(r)["type"], id: mux.Vars(r)["id"]})
}

// updateWhere answers PUT [base]/[type]?[criteria], the conditional update
// (FHIR STU3 2.21.0.10.2).
func (s *Server) updateWhere(w http.ResponseWriter, r *http.Request) error {
	return s.replace(w, r, change{method: r.Method, typ: mux.Vars(r)["type"], criteria: r.URL.RawQuery})
}

func (s *Server) replace(w http.ResponseWriter, r *http.Request, ch change) error {
	c, err := s.writer(r, ch.typ)
	if err != nil {
		return err
	}
	if ch.id != "" && !fhir.ValidID(ch.id) {
		return malformed(fmt.Sprintf("%q is no FHIR id", ch.id))
	}
	if ch.resource, err = readResource(r, ch.typ); err != nil {
		return err
	}
	if err := invalid(ch.resource); err != nil {
		return err
	}
	ch.ifMatch = r.Header.Get("If-Match")
	return s.write(w, r, c, ch)
}

// remove answers DELETE [base]/[type]/[id]; again: the same answer.
func (s *Server) remove(w http.ResponseWriter, r *http.Request) error {
	return s.erase(w, r, change{method: r.Method, typ: mux.Vars(r)["type"], id: mux.Vars(r)["id"]})
}

// removeWhere answers DELETE [base]/[type]?[criteria], the conditional delete
// of the one resource that fits (FHIR STU3 2.21.0.12.1).
func (s *Server) removeWhere(w http.ResponseWriter, r *http.Request) error {
	return s.erase(w, r, change{method: r.Method, typ: mux.Vars(r)["type"], criteria: r.URL.RawQuery})
}

func (s *Server) erase(w http.ResponseWriter, r *http.Request, ch change) error {
	c, err := s.writer(r, ch.typ)
	if err != nil {
		return err
	}
	ch.ifMatch = r.Header.Get("If-Match")
	return s.write(w, r, c, ch)
}

// writer is who asks to write a resource of a type, refused where they may not
// or where the answer could not be written.
func (s *Server) writer(r *http.Request, typ string) (caller, error) {
	c, err := s.dataCaller(r, typ)
	if err != nil {
		return c, err
	}
	return c, s.mayWrite(r.Context(), c, typ)
}

// write carries a change out in a transaction of its own, and answers.
func (s *Server) write(w http.ResponseWriter, r *http.Request, c caller, ch change) error {
	var done written
	err := s.store.Update(r.Context(), func(tx *store.Tx) (err error) {
		done, err = s.carryOut(r.Context(), tx, c, ch)
		return err
	})
	if err != nil {
		return err
	}
	if done.status == http.StatusCreated || ch.method == http.MethodPost {
		w.Header().Set("Location", s.location(*done.version)) // also of what was there already (If-None-Exist)
	}
	if ch.method == http.MethodDelete {
		if done.version != nil {
			w.Header().Set("ETag", etagOf(*done.version))
		}
		w.WriteHeader(done.status)
		return nil
	}
	switch preference(r.Header, "return") {
	case "minimal":
		stamp(w.Header(), *done.version)
		w.WriteHeader(done.status)
		return nil
	case "operationoutcome":
		stamp(w.Header(), *done.version)
		s.writeResource(w, r, done.status, fhir.Outcome(fhir.Issue{Severity: "information", Code: "informational",
			Diagnostics: done.version.Type + "/" + done.version.ID + " is stored as version " + strconv.FormatInt(done.version.VersionID, 10)}))
		return nil
	}
	return s.writeVersion(w, r, done.status, *done.version)
}

// carryOut carries a change out within tx.
func (s *Server) carryOut(ctx context.Context, tx *store.Tx, c caller, ch change) (written, error) {
	switch ch.method {
	case http.MethodPost:
		return s.applyCreate(ctx, tx, c, ch)
	case http.MethodPut:
		return s.applyUpdate(ctx, tx, c, ch)
	}
	return s.applyDelete(ctx, tx, c, ch)
}

func (s *Server) applyCreate(ctx context.Context, tx *store.Tx, c caller, ch change) (written, error) {
	found, err := s.matching(tx, c, ch.typ, "If-None-Exist", ch.ifNoneExist)
	if err != nil {
		return written{}, err
	}
	if found != nil {
		return written{http.StatusOK, found}, s.mayRead(ctx, tx, c, *found)
	}
	if err := s.checkConsent(ctx, tx, c, ch.resource); err != nil {
		return written{}, err
	}
	var v store.Version
	if ch.id == "" {
		v, err = tx.Create(ch.resource, c.owner())
	} else {
		v, _, err = tx.Put(ch.resource, c.owner())
	}
	return written{http.StatusCreated, &v}, err
}

func (s *Server) applyUpdate(ctx context.Context, tx *store.Tx, c caller, ch change) (written, error) {
	was, err := s.meant(ctx, tx, c, ch)
	if err != nil {
		return written{}, err
	}
	o := ch.resource
	if ch.id == "" { // conditional: what was found tells the id, or a new one is made
		o = o.Clone()
		switch {
		case was == nil:
			o.Set("id", uuid.NewString())
		case o.ID() == "":
			o.Set("id", was.ID)
		}
		ch.id = o.ID()
		if was != nil {
			ch.id = was.ID
		}
	}
	if o.ID() != ch.id {
		return written{}, malformed(fmt.Sprintf("id is %q in the resource and %q by the URL; they must be the same", o.ID(), ch.id))
	}
	if was == nil && !c.unrestricted() {
		return written{}, &httpError{status: http.StatusMethodNotAllowed, code: "not-supported",
			message: "there is no " + ch.typ + "/" + ch.id + "; this bearer makes a resource by POST"}
	}
	if err := ifMatch(ch.ifMatch, was); err != nil {
		return written{}, err
	}
	if err := s.checkConsent(ctx, tx, c, o); err != nil {
		return written{}, err
	}
	v, made, err := tx.Put(o, c.owner())
	if made {
		return written{http.StatusCreated, &v}, err
	}
	return written{http.StatusOK, &v}, err
}

func (s *Server) applyDelete(ctx context.Context, tx *store.Tx, c caller, ch change) (written, error) {
	was, err := s.meant(ctx, tx, c, ch)
	if err != nil {
		return written{}, err
	}
	if err := ifMatch(ch.ifMatch, was); err != nil {
		return written{}, err
	}
	if was == nil {
		return written{status: http.StatusNoContent}, nil
	}
	v, err := tx.Delete(ch.typ, was.ID)
	return written{http.StatusNoContent, &v}, err
}

// meant is what a PUT or DELETE is about, nil if there is nothing now; what c
// may not change is refused.
func (s *Server) meant(ctx context.Context, tx *store.Tx, c caller, ch change) (was *store.Version, err error) {
	if ch.id != "" {
		was, err = current(tx, ch.typ, ch.id)
	} else {
		was, err = s.matching(tx, c, ch.typ, ch.method, ch.criteria)
		if err == nil && ch.criteria == "" {
			err = malformed(ch.method + " " + ch.typ + " needs an id, as in " + ch.typ + "/1, or criteria, as in " + ch.typ + "?identifier=1")
		}
	}
	if err != nil || was == nil {
		return nil, err
	}
	return was, s.mayChange(ctx, c, *was)
}

// checkConsent holds a Consent to protocol 1.2 when it is written; other
// resources pass.
func (s *Server) checkConsent(ctx context.Context, tx *store.Tx, c caller, o *fhir.Object) error {
	if o.Type() != "Consent" {
		return nil
	}
	signedIn := ""
	if c.role == granted {
		signedIn = c.grant.Patient
	}
	return s.oauth.CheckConsent(ctx, tx, o, signedIn)
}

func (s *Server) location(v store.Version) string {
	return s.base() + "/" + v.Type + "/" + v.ID + "/_history/" + strconv.FormatInt(v.VersionID, 10)
}

// preference is what the header Prefer says of a name, "" if nothing.
func preference(header http.Header, name string) string {
	for part := range strings.FieldsFuncSeq(strings.Join(header.Values("Prefer"), ","), func(r rune) bool { return r == ',' || r == ';' }) {
		if key, value, ok := strings.Cut(part, "="); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	return ""
}
