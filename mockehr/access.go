package mockehr

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// This file is the one place that decides who may do what with the FHIR API
// (protocol 1.5 and 1.9); every interaction asks here.

// unrestricted is a caller without limits: the administrator, or one that a
// script let in though nobody knows it.
func (c caller) unrestricted() bool {
	return c.role == admin || c.role == anonymous || c.role == stranger
}

// mayReadType says why c may read nothing of a type, before anything is looked
// for: so the answer doesn't tell what is there.
func (s *Server) mayReadType(ctx context.Context, c caller, typ string) error {
	if c.role == granted && fhir.InPatientCompartment(typ) {
		return s.scopeNames(ctx, c, typ)
	}
	return nil
}

// mayRead says why c may not read v, nil if it may.
func (s *Server) mayRead(ctx context.Context, tx *store.Tx, c caller, v store.Version) error {
	if err := s.mayReadType(ctx, c, v.Type); err != nil {
		return err
	}
	return s.mayReadOne(ctx, tx, c, v)
}

// mayReadOne is mayRead for a type that mayReadType let through.
func (s *Server) mayReadOne(ctx context.Context, tx *store.Tx, c caller, v store.Version) error {
	switch {
	case c.unrestricted():
		return nil
	case c.role == consumer:
		return s.mayUseConsent(ctx, c, v)
	}
	return s.grantReads(ctx, tx, c, v)
}

// mayUseConsent lets the person's app at the Consents that it made, and at
// nothing else.
func (s *Server) mayUseConsent(ctx context.Context, c caller, v store.Version) error {
	var verdict error
	switch {
	case v.Type != "Consent":
		verdict = check.Refuse("SRC-48", http.StatusForbidden, "forbidden", "",
			"this bearer is for Consents; %s needs an access token", v.Type)
	case v.Owner != c.owner():
		verdict = check.Refuse("SRC-48", http.StatusNotFound, "not-found", "", "%s", absent(v.Type, v.ID))
	}
	return s.checks.Do(ctx, "SRC-48", check.Inputs{"type": v.Type, "id": v.ID, "caller": c.role.String()}, verdict)
}

// grantReads decides for an access token: what is in the compartment of its
// patient (the scopes name the type: mayReadType), and outside any compartment
// what that refers to.
func (s *Server) grantReads(ctx context.Context, tx *store.Tx, c caller, v store.Version) error {
	g := c.grant
	if !fhir.InPatientCompartment(v.Type) {
		reached, err := s.refersTo(tx, c, v.Type, v.ID)
		if err != nil {
			return err
		}
		var verdict error
		if !reached {
			verdict = check.Refuse("SRC-49", http.StatusForbidden, "forbidden", "",
				"nothing that this token can read refers to %s/%s", v.Type, v.ID)
		}
		return s.checks.Do(ctx, "SRC-49", check.Inputs{"type": v.Type, "id": v.ID, "patient": g.Patient}, verdict)
	}
	var verdict error
	if !slices.Contains(v.Patients, g.Patient) || (v.Type == "Consent" && !ownConsent(c, v)) {
		verdict = check.Refuse("SRC-42", http.StatusNotFound, "not-found", "", "%s", absent(v.Type, v.ID))
	}
	return s.checks.Do(ctx, "SRC-42", check.Inputs{"type": v.Type, "id": v.ID, "patient": g.Patient, "patients": v.Patients,
		"resource": func() any { return json.RawMessage(v.JSON) }}, verdict)
}

// ownConsent keeps other people's Consents from a SMART sign-in; a token of
// the exchange reads the record, Consents among it.
func ownConsent(c caller, v store.Version) bool {
	return !c.grant.SignIn || v.Owner == c.owner()
}

// scopeNames refuses a type of the compartment that the scopes don't name.
func (s *Server) scopeNames(ctx context.Context, c caller, typ string) error {
	var verdict error
	if !c.grant.Covers(typ, "read") {
		verdict = check.Refuse("SRC-43", http.StatusForbidden, "forbidden", "", "no scope of this token names reading %s", typ)
	}
	return s.checks.Do(ctx, "SRC-43", check.Inputs{"type": typ, "scope": c.grant.ScopeText(), "patient": c.grant.Patient}, verdict)
}

// refersTo says whether something that c's token reads in its compartment
// refers to typ/id, directly or by way of others outside any compartment.
func (s *Server) refersTo(tx *store.Tx, c caller, typ, id string) (bool, error) {
	type key struct{ typ, id string }
	seen := map[key]bool{{typ, id}: true}
	for queue := []key{{typ, id}}; len(queue) > 0; queue = queue[1:] {
		reached := false
		err := tx.EachReferrer(queue[0].typ, queue[0].id, func(r store.Referrer) bool {
			if fhir.InPatientCompartment(r.Type) {
				reached = slices.Contains(r.Patients, c.grant.Patient) && c.grant.Covers(r.Type, "read")
			} else if next := (key{r.Type, r.ID}); !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
			return !reached
		})
		if reached || err != nil {
			return reached, err
		}
	}
	return false, nil
}

// maySearch says what of a type c may search: the scope that the search is
// held to, or why not at all.
func (s *Server) maySearch(ctx context.Context, c caller, typ string) (store.Scope, error) {
	switch {
	case c.unrestricted():
		return store.Scope{}, nil
	case c.role == consumer:
		return store.Scope{}, s.checks.Do(ctx, "SRC-48", check.Inputs{"type": typ, "caller": c.role.String()},
			check.Refuse("SRC-48", http.StatusForbidden, "forbidden", "", "this bearer is for single Consents; a search needs an access token"))
	}
	if !fhir.InPatientCompartment(typ) {
		err := s.checks.Do(ctx, "SRC-49", check.Inputs{"type": typ, "search": true, "patient": c.grant.Patient},
			check.Refuse("SRC-49", http.StatusForbidden, "forbidden", "", "%s is in no patient's compartment; this token reads it by id only", typ))
		return store.Scope{}, err
	}
	if err := s.scopeNames(ctx, c, typ); err != nil {
		return store.Scope{}, err
	}
	patient := check.Value(ctx, s.checks, "SRC-42", check.Inputs{"type": typ, "search": true, "patient": c.grant.Patient}, c.grant.Patient)
	return store.Scope{Patient: patient}, nil
}

// mayWrite says why c may write nothing of a type.
func (s *Server) mayWrite(ctx context.Context, c caller, typ string) error {
	if c.unrestricted() {
		return nil
	}
	if c.role == granted && !c.grant.SignIn {
		return s.checks.Do(ctx, "SRC-44", check.Inputs{"type": typ, "scope": c.grant.ScopeText()},
			check.Refuse("SRC-44", http.StatusForbidden, "forbidden", "", "this token reads; it writes nothing"))
	}
	var verdict error
	if typ != "Consent" {
		verdict = check.Refuse("SRC-48", http.StatusForbidden, "forbidden", "", "this bearer writes Consents only, no %s", typ)
	}
	return s.checks.Do(ctx, "SRC-48", check.Inputs{"type": typ, "caller": c.role.String(), "write": true}, verdict)
}

// mayChange says why c, who may write the type, may not change or delete what
// stands there now.
func (s *Server) mayChange(ctx context.Context, c caller, was store.Version) error {
	if c.unrestricted() || c.role == granted && !c.grant.SignIn {
		return nil
	}
	var verdict error
	if was.Owner != c.owner() {
		verdict = check.Refuse("SRC-48", http.StatusNotFound, "not-found", "", "%s", absent(was.Type, was.ID))
	}
	return s.checks.Do(ctx, "SRC-48", check.Inputs{"type": was.Type, "id": was.ID, "caller": c.role.String(), "write": true}, verdict)
}
