package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// policy is the policyRule that a Consent of this protocol has (1.2).
const policy = "http://hl7.org/fhir/ConsentDefinition/simple-oauth"

// scopeSystem is the system of the codings that are SMART scopes (1.2).
const scopeSystem = "http://smarthealthit.org/fhir/scopes"

// consent is what a Consent says that matters here. A part that is missing is
// its zero value; nothing is judged yet.
type consent struct {
	object     *fhir.Object // the resource itself; nil without one
	ID         string
	Status     string
	Patient    string // id of the patient here, "" if there is none or it isn't one of here
	Reference  string // patient.reference, as it stands
	PolicyRule string
	Excepts    []*fhir.Object
	Scopes     []Scope // of the first except
	PeriodEnd  string  // as it stands
	Ends       time.Time
	endError   error // PeriodEnd is no date
}

// readConsent reads a Consent resource. base is this node's FHIR base: a patient
// by an absolute URL below it is one of here.
func readConsent(o *fhir.Object, base string) consent {
	c := consent{
		object:     o,
		ID:         o.ID(),
		Status:     o.Text("status"),
		Reference:  o.Text("patient", "reference"),
		PolicyRule: o.Text("policyRule"),
		Excepts:    o.Objects("except"),
		PeriodEnd:  o.Text("period", "end"),
	}
	refBase, typ, id, _, ok := fhir.SplitReference(c.Reference)
	if ok && typ == "Patient" && (refBase == "" || strings.TrimSuffix(refBase, "/") == base) {
		c.Patient = id
	}
	if len(c.Excepts) > 0 {
		c.Scopes = scopesOf(c.Excepts[0])
	}
	if c.PeriodEnd != "" {
		start, end, err := fhir.ParseDateTime(c.PeriodEnd)
		c.Ends, c.endError = end, err // a partial date means its end (protocol 1.3)
		if strings.Contains(c.PeriodEnd, "T") {
			c.Ends = start // an instant is no span
		}
	}
	return c
}

// resource is the Consent as an input of a check.
func (c consent) resource() any {
	return func() any {
		if c.object == nil {
			return nil
		}
		return json.RawMessage(fhir.AppendJSON(nil, c.object))
	}
}

func scopesOf(except *fhir.Object) []Scope {
	var scopes []Scope
	for _, coding := range except.Objects("class") {
		if coding.Text("system") != scopeSystem {
			continue
		}
		if s, err := ParseScope(coding.Text("code")); err == nil && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// loadConsent reads a Consent as it is now. gone is why there is none, nil if
// there is.
func loadConsent(tx *store.Tx, id, base string) (c consent, gone, err error) {
	if !fhir.ValidID(id) {
		return consent{}, store.ErrNotFound, nil
	}
	v, err := tx.Read("Consent", id)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrDeleted):
		return consent{ID: id}, err, nil
	case err != nil:
		return consent{}, nil, err
	}
	o, err := fhir.ParseJSON(v.JSON)
	if err != nil {
		return consent{}, nil, fmt.Errorf("stored Consent/%s: %w", id, err)
	}
	return readConsent(o, base), nil, nil
}

// withdrawn says why a Consent gives nothing any more of what was authorized
// for patient, "" while it does (protocol 1.4).
func (c consent) withdrawn(gone error, patient string, now time.Time) string {
	switch {
	case gone != nil:
		return "its Consent was deleted"
	case c.Status != "active":
		return "its Consent is no longer active"
	case c.Patient != patient:
		return "its Consent is for another patient now"
	case c.endError == nil && c.PeriodEnd != "" && !now.Before(c.Ends):
		return "the period of its Consent is over"
	case len(c.granting()) == 0:
		return "its Consent names no scope any more"
	}
	return ""
}

// granting is the scopes that the Consent gives now: none if it no longer has
// the one except, with type permit, that could be authorized.
func (c consent) granting() []Scope {
	if len(c.Excepts) != 1 || c.Excepts[0].Text("type") != "permit" || c.PolicyRule != policy {
		return nil
	}
	return c.Scopes
}

// The refusals of a Consent, nil if it has what the requirement wants. They all
// have status 422: the Consent reads well, and can't be used.

func (c consent) badStatus() error {
	if c.Status == "active" {
		return nil
	}
	return check.Refuse("SRC-14", http.StatusUnprocessableEntity, "business-rule", "Consent.status",
		"the Consent's status is %q; only an active one can be authorized", clip(c.Status))
}

func (c consent) noPatient() error {
	if c.Reference != "" {
		return nil
	}
	return check.Refuse("SRC-15", http.StatusUnprocessableEntity, "required", "Consent.patient",
		"the Consent has no patient.reference; give it Patient/[id]")
}

func (c consent) unknownPatient(there bool) error {
	if there {
		return nil
	}
	return check.Refuse("SRC-04", http.StatusUnprocessableEntity, "not-found", "Consent.patient",
		"the Consent is for %q, a patient that is not here", clip(c.Reference))
}

func (c consent) otherPatient(signedIn string) error {
	if signedIn == "" || c.Patient == signedIn {
		return nil
	}
	return check.Refuse("SRC-05", http.StatusForbidden, "forbidden", "Consent.patient",
		"the Consent is for another patient than the one chosen at sign-in")
}

func (c consent) badPolicy() error {
	if c.PolicyRule == policy {
		return nil
	}
	return check.Refuse("SRC-17", http.StatusUnprocessableEntity, "business-rule", "Consent.policyRule",
		"the Consent's policyRule is %q; it must be %s", clip(c.PolicyRule), policy)
}

func (c consent) badExcept() error {
	const expression = "Consent.except"
	if n := len(c.Excepts); n != 1 {
		return check.Refuse("SRC-18", http.StatusUnprocessableEntity, "business-rule", expression,
			"the Consent has %d except; it must have exactly one", n)
	}
	if t := c.Excepts[0].Text("type"); t != "permit" {
		return check.Refuse("SRC-18", http.StatusUnprocessableEntity, "business-rule", expression+".type",
			"the Consent's except is of type %q; it must be permit", clip(t))
	}
	return nil
}

func (c consent) noScope() error {
	if len(c.Scopes) > 0 {
		return nil
	}
	return check.Refuse("SRC-19", http.StatusUnprocessableEntity, "business-rule", "Consent.except.class",
		"the Consent's except.class names no SMART scope; give it a coding with system %s and a code such as user/*.read", scopeSystem)
}

func (c consent) badPeriod(until time.Time) error {
	switch {
	case c.PeriodEnd == "":
		return nil
	case c.endError != nil:
		return check.Refuse("SRC-16", http.StatusUnprocessableEntity, "value", "Consent.period.end",
			"the Consent's period.end %q is no date or time", clip(c.PeriodEnd))
	case c.Ends.Before(until):
		return check.Refuse("SRC-16", http.StatusUnprocessableEntity, "business-rule", "Consent.period.end",
			"the Consent's period ends at %s, before the duration does (%s); ask for a shorter one", c.PeriodEnd, stamp(until))
	}
	return nil
}
