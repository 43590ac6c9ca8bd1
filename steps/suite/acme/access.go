package acme

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// caller is who sends a request.
type caller struct {
	kind   string // nobody, unknown, consumer, admin, token
	bearer string
	token  *access
}

// access is an access token: of an authorization, or of a person's sign-in.
type access struct {
	Text, Patient string
	Scopes        []string
	Ends          time.Time
	grant         *grant
	signIn        *consented
}

// owner is the name under which what a caller makes is theirs.
func (c caller) owner() string {
	switch {
	case c.kind == "token" && c.token.signIn != nil:
		return "patient " + c.token.Patient
	case c.kind == "nobody", c.kind == "unknown":
		return ""
	}
	return c.kind
}

func same(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// known finds out who calls; s.mu is held.
func (s *Server) known(r *http.Request) caller {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer = strings.TrimSpace(bearer)
	if s.bug("token-in-query") && bearer == "" {
		bearer = r.URL.Query().Get("access_token")
		scheme = "bearer"
	}
	if bearer == "" {
		return caller{kind: "nobody"}
	}
	out := caller{kind: "unknown", bearer: bearer}
	if !strings.EqualFold(scheme, "bearer") {
		return out
	}
	switch t := s.tokens[bearer]; {
	case same(bearer, s.Consumer):
		out.kind = "consumer"
	case same(bearer, s.Admin):
		out.kind = "admin"
	case t != nil && s.lives(t):
		out.kind, out.token = "token", t
	case s.bug("jwt-as-token"):
		for _, g := range s.grants {
			if g.JWT == bearer {
				out.kind, out.token = "token", &access{Patient: g.Patient, Scopes: g.Scopes, Ends: g.Ends, grant: g}
			}
		}
	case s.bug("authorization-as-token"):
		if g := s.grants[bearer]; g != nil {
			out.kind, out.token = "token", &access{Patient: g.Patient, Scopes: g.Scopes, Ends: g.Ends, grant: g}
		}
	}
	return out
}

// lives says whether a token is good still: its time, and what stands behind it.
func (s *Server) lives(t *access) bool {
	if t.signIn != nil {
		return time.Now().Before(t.Ends) && !t.signIn.revoked
	}
	if s.bug("token-never-ends") {
		return true
	}
	if !time.Now().Before(t.Ends) {
		return false
	}
	return s.bug("withdrawn-token-lives") || s.holds(t.grant) == nil
}

// scopes are what a token may read now: what it had, less what the Consent lost.
func (s *Server) scopes(t *access) []string {
	if t.grant == nil || s.bug("withdrawn-token-lives") {
		return t.Scopes
	}
	now := smartScopes(s.held["Consent/"+t.grant.Consent])
	return slices.DeleteFunc(slices.Clone(t.Scopes), func(sc string) bool { return !slices.Contains(now, sc) })
}

// inCompartment are the elements by which a type is of a patient.
var inCompartment = map[string][]string{
	"Patient": {}, "Observation": {"subject"}, "Condition": {"subject"}, "MedicationRequest": {"subject"}, "MedicationStatement": {"subject"},
	"MedicationDispense": {"subject"}, "MedicationAdministration": {"subject"}, "AllergyIntolerance": {"patient"}, "Procedure": {"subject"},
	"Immunization": {"patient"}, "DocumentReference": {"subject"}, "Coverage": {"beneficiary"}, "ExplanationOfBenefit": {"patient"},
	"Encounter": {"subject"}, "Consent": {"patient"}, "Claim": {"patient"}, "DiagnosticReport": {"subject"}, "CarePlan": {"subject"},
	"EpisodeOfCare": {"patient"}, "ProcedureRequest": {"subject"}, "ReferralRequest": {"subject"}, "Goal": {"subject"}, "RelatedPerson": {"patient"},
	"FamilyMemberHistory": {"patient"}, "Specimen": {"subject"}, "ImagingStudy": {"patient"}, "Composition": {"subject"},
}

// patientOf is the patient's id of a resource of the compartment.
func (s *Server) patientOf(o map[string]any) string {
	typ := text(o["resourceType"])
	if typ == "Patient" {
		return text(o["id"])
	}
	for _, name := range inCompartment[typ] {
		if id, ok := strings.CutPrefix(s.local(text(object(o[name])["reference"])), "Patient/"); ok {
			return id
		}
	}
	return ""
}

// local is a reference as it is here: Type/id, whatever form it has; "" if it leads elsewhere.
func (s *Server) local(ref string) string {
	ref = strings.TrimPrefix(ref, s.base()+"/")
	ref, _, _ = strings.Cut(ref, "/_history/")
	if strings.Count(ref, "/") != 1 || strings.ContainsAny(ref, ":#?") {
		return ""
	}
	return ref
}

func names(scopes []string, typ string) bool {
	return slices.ContainsFunc(scopes, func(sc string) bool {
		_, rest, _ := strings.Cut(sc, "/")
		of, verb, _ := strings.Cut(rest, ".")
		return (of == "*" || of == typ) && (verb == "*" || verb == "read")
	})
}

var errLogin = wrong(http.StatusUnauthorized, "a bearer is needed that is known here")

// mayRead says whether a caller may read a resource; s.mu is held.
func (s *Server) mayRead(who caller, o map[string]any) error {
	typ := text(o["resourceType"])
	switch who.kind {
	case "admin":
		return nil
	case "consumer":
		if typ != "Consent" || ownerOf(o) != "consumer" {
			return wrong(http.StatusForbidden, "this bearer reads the Consents that it made")
		}
		return nil
	case "token":
	default:
		return errLogin
	}
	t := who.token
	if _, of := inCompartment[typ]; !of {
		if s.bug("reads-outside") || s.reachable(t)[typ+"/"+text(o["id"])] {
			return nil
		}
		return wrong(http.StatusForbidden, "the record does not refer to that")
	}
	if typ == "Consent" && t.signIn != nil {
		if ownerOf(o) == who.owner() {
			return nil
		}
		return wrong(http.StatusForbidden, "that Consent was made by somebody else")
	}
	if s.patientOf(o) != t.Patient {
		if s.Style.Forbids {
			return wrong(http.StatusForbidden, "that is not in this record")
		}
		return wrong(http.StatusNotFound, "there is no such resource in this record")
	}
	if !s.maySee(t, typ) {
		return wrong(http.StatusForbidden, "the scopes don't name %s", typ)
	}
	return nil
}

func (s *Server) maySee(t *access, typ string) bool {
	return names(s.scopes(t), typ) || s.bug("patient-always") && typ == "Patient" || s.bug("scopes-not-looked-at")
}

// reachable are the keys outside the compartment to which a token's record
// refers, directly or by way of one another.
func (s *Server) reachable(t *access) map[string]bool {
	out := map[string]bool{}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, one := range v {
				if ref, ok := one.(string); ok && (name == "reference" || name == "url") {
					key := s.local(ref)
					typ, _, _ := strings.Cut(key, "/")
					if _, of := inCompartment[typ]; !of && s.held[key] != nil && !out[key] {
						out[key] = true
						follow(s.held[key])
					}
				}
				follow(one)
			}
		case []any:
			for _, one := range v {
				follow(one)
			}
		}
	}
	for key := range s.records[t.Patient] {
		if typ, _, _ := strings.Cut(key, "/"); s.maySee(t, typ) {
			follow(s.held[key])
		}
	}
	return out
}

func absolute(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
