package mockehr

import (
	"context"
	"net/http"
	"sort"
	"strconv"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/exchange"
	"example.org/ccde/mockehr/fhir"
)

// connection answers GET [base]/$connection: with id how copying goes, without
// the list of the caller's connections (protocol 1.6, TGT-40).
func (s *Server) connection(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := acceptable(r); err != nil {
		return err
	}
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	if !query.Has("id") {
		return s.connections(w, r, c)
	}
	conn, err := s.connectionFor(ctx, c, query.Get("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	s.writeResource(w, r, http.StatusOK, parameters(connectionParts(conn)...))
	return nil
}

func (s *Server) connections(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := s.known(r.Context(), c, "TGT-43", "the list of connections"); err != nil {
		return err
	}
	all, err := s.exchange.List(r.Context())
	if err != nil {
		return err
	}
	var parts []*fhir.Object
	for _, conn := range all {
		if c.unrestricted() || conn.Owner == c.owner() {
			parts = append(parts, partsParameter("connection", connectionParts(conn)...))
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	s.writeResource(w, r, http.StatusOK, parameters(parts...))
	return nil
}

// connectionFor is the connection of that id, if the caller may see it
// (TGT-43): its own, any for the administrator, and for everybody one that was
// started without a bearer, since its id can't be guessed.
func (s *Server) connectionFor(ctx context.Context, c caller, id string) (exchange.Connection, error) {
	if id == "" {
		return exchange.Connection{}, refuseParameter("TGT-40", "required", "id", "is missing; give the id of the connection")
	}
	conn, err := s.exchange.Get(ctx, id)
	if err != nil {
		return conn, err
	}
	var verdict error
	switch {
	case conn.Owner == "", c.role == admin, conn.Owner == c.owner():
	case c.role == anonymous, c.role == stranger:
		verdict = check.Refuse("TGT-43", http.StatusUnauthorized, "login", "", "this connection needs the bearer that started it")
	default:
		verdict = check.Refuse("TGT-43", http.StatusForbidden, "forbidden", "", "this connection was started with another bearer")
	}
	err = s.checks.Do(ctx, "TGT-43", check.Inputs{"id": id, "caller": c.role.String()}, verdict)
	return conn, err
}

// disconnect answers POST [base]/$disconnect (protocol 1.6, TGT-41).
func (s *Server) disconnect(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := acceptable(r); err != nil {
		return err
	}
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	values, err := readParameters(w, r)
	if err != nil {
		return err
	}
	conn, err := s.connectionFor(ctx, c, values.Get("id"))
	if err != nil {
		return err
	}
	if err := s.exchange.Disconnect(ctx, conn.ID); err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusOK, fhir.Outcome(fhir.Issue{Severity: "information", Code: "informational", Diagnostics: "Connection Stopped"}))
	return nil
}

// connectionParts are the parameters that tell of one connection; none holds
// a secret (TGT-42).
func connectionParts(c exchange.Connection) []*fhir.Object {
	parts := []*fhir.Object{
		textParameter("id", "valueString", c.ID),
		textParameter("source", "valueUri", c.Source),
		textParameter("consent", "valueId", c.Consent),
		textParameter("patient", "valueId", c.Patient),
		textParameter("status", "valueCode", string(c.Status)),
		timeParameter("started", c.Started),
		timeParameter("lastCheck", c.LastCheck),
		timeParameter("nextCheck", c.NextCheck),
		timeParameter("expires", c.Expires),
		textParameter("message", "valueString", c.Message),
	}
	types := make([]string, 0, len(c.Copied))
	for t := range c.Copied {
		types = append(types, t)
	}
	sort.Strings(types)
	for _, t := range types {
		parts = append(parts, partsParameter("copied",
			textParameter("type", "valueCode", t),
			fhir.NewObject(fhir.Member{Name: "name", Value: "count"},
				fhir.Member{Name: "valueInteger", Value: fhir.Number(strconv.Itoa(c.Copied[t]))})))
	}
	return parts
}

func timeParameter(name string, t time.Time) *fhir.Object {
	if t.IsZero() {
		return nil
	}
	return textParameter(name, "valueInstant", t.UTC().Format("2006-01-02T15:04:05.000Z"))
}
