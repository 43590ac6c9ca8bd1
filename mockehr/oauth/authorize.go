package oauth

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// authorizeTime is how long Authorize takes at most, in real time: with a CAVS
// out of reach it must answer within 10 seconds (SRC-24).
const authorizeTime = 9 * time.Second

// noValidation is the message where no CAVS is set (protocol 1.3).
const noValidation = "Application Validation is not implemented yet"

// AuthorizeRequest is a call of $authorize.
type AuthorizeRequest struct {
	ConsentID string
	Params    *fhir.Object // the Parameters resource
	Patient   string       // the patient chosen at sign-in, "" = any
}

// AuthorizeResult is what $authorize answers.
type AuthorizeResult struct {
	ID      string // the authorization: a secret between the person and the target
	Message string // the CAVS's, or that there is none
	// MessageName is the name of the message's parameter in the node's dialect:
	// Message, or message (protocol 2).
	MessageName  string
	Endorsements []Endorsement
}

// Authorize binds the JWT of a request to a Consent (protocol 1.3). Its checks,
// in this order: SRC-13 (Consent there), SRC-15, SRC-04, SRC-05 (its patient),
// SRC-14 (active), SRC-17 (policyRule), SRC-18 (one except), SRC-19 (a scope),
// SRC-20 (duration), SRC-16 (period), SRC-21 (jwt readable), SRC-22 (jwt good),
// SRC-24 (CAVS in reach), SRC-23 (its verdict); then the values SRC-12 (its
// answer) and SRC-11 (the id). What is refused is a *check.Refusal.
func (s *Service) Authorize(ctx context.Context, r AuthorizeRequest) (AuthorizeResult, error) {
	ctx, cancel := context.WithTimeout(ctx, authorizeTime)
	defer cancel()
	c, err := s.authorizable(ctx, r)
	if err != nil {
		return AuthorizeResult{}, err
	}
	now := s.opt.Clock.Now()
	until, err := s.duration(ctx, r.Params, now)
	if err != nil {
		return AuthorizeResult{}, err
	}
	in := check.Inputs{"consent": c.ID, "period_end": c.PeriodEnd, "until": stamp(until), "now": stamp(now), "resource": c.resource()}
	if err := s.do(ctx, "SRC-16", in, c.badPeriod(until)); err != nil {
		return AuthorizeResult{}, err
	}
	packed, err := s.jwt(ctx, r.Params)
	if err != nil {
		return AuthorizeResult{}, err
	}
	answer, err := s.validate(ctx, packed)
	if err != nil {
		return AuthorizeResult{}, err
	}
	result := AuthorizeResult{
		ID:           check.Value(ctx, s.opt.Checks, "SRC-11", check.Inputs{"consent": c.ID, "jwt": packed}, uuid.NewString()),
		Message:      answer.Message,
		MessageName:  s.messageName(),
		Endorsements: answer.Endorsements,
	}
	made := authorization{Consent: r.ConsentID, Patient: c.Patient, JWT: packed, Scopes: c.Scopes, Made: now, Expires: until}
	err = s.opt.Store.Update(ctx, func(tx *store.Tx) error {
		return tx.PutRecord(authorizationKind, hash(result.ID), made)
	})
	if err != nil {
		return AuthorizeResult{}, fmt.Errorf("keeping the authorization: %w", err)
	}
	return result, nil
}

func (s *Service) messageName() string {
	if s.loose() && s.cavs() != nil {
		return "message"
	}
	return "Message"
}

func (s *Service) cavs() Validator {
	if s.opt.CAVS == nil {
		return nil
	}
	return s.opt.CAVS()
}

// authorizable reads the Consent of a request and refuses one that can't be
// authorized.
func (s *Service) authorizable(ctx context.Context, r AuthorizeRequest) (consent, error) {
	var c consent
	var gone error
	var there bool
	err := s.opt.Store.View(ctx, func(tx *store.Tx) (err error) {
		if c, gone, err = loadConsent(tx, r.ConsentID, s.opt.Base); err != nil {
			return err
		}
		there, err = patientThere(tx, c.Patient)
		return err
	})
	if err != nil {
		return consent{}, fmt.Errorf("the Consent: %w", err)
	}
	var verdict error
	if gone != nil {
		verdict = check.Refuse("SRC-13", http.StatusNotFound, "not-found", "", "there is no Consent/%s here", clip(r.ConsentID))
	}
	if err := s.do(ctx, "SRC-13", check.Inputs{"consent": r.ConsentID}, verdict); err != nil || verdict != nil {
		return c, err // let pass by a script, there is nothing more to look at
	}
	if err := s.checkPatient(ctx, c, there, r.Patient); err != nil {
		return consent{}, err
	}
	in := check.Inputs{"consent": c.ID, "status": c.Status, "policy_rule": c.PolicyRule, "excepts": len(c.Excepts), "scope": ScopeText(c.Scopes),
		"resource": c.resource()}
	for _, one := range []struct {
		id      string
		verdict error
	}{
		{"SRC-14", c.badStatus()}, {"SRC-17", c.badPolicy()}, {"SRC-18", c.badExcept()}, {"SRC-19", c.noScope()},
	} {
		if err := s.do(ctx, one.id, in, one.verdict); err != nil {
			return consent{}, err
		}
	}
	return c, nil
}

// jwt is the packed JWT of a request, read and, in dialect strict, verified.
func (s *Service) jwt(ctx context.Context, params *fhir.Object) (string, error) {
	packed, unreadable := jwtParameter(params)
	if err := s.do(ctx, "SRC-21", check.Inputs{"jwt": packed}, unreadable); err != nil || unreadable != nil {
		return packed, err // let pass by a script, there is nothing to verify
	}
	in, verdict := check.Inputs{"jwt": packed}, s.badJWT(ctx, packed)
	if token, err := Read(packed); err == nil {
		in["alg"], in["kid"], in["iss"], in["sub"] = token.Algorithm, token.KeyID, token.Issuer, token.Subject
		in["exp"], in["now"] = token.Expires.Unix(), s.opt.Clock.Now().Unix()
	}
	if verdict != nil {
		in["reason"] = string(ReasonOf(verdict))
		refusal := check.Refuse("SRC-22", http.StatusUnprocessableEntity, "security", "jwt", "the parameter jwt is not good: %v", verdict)
		switch ReasonOf(verdict) {
		case Expired:
			refusal.Code = "expired"
		case KeysUnreachable:
			refusal.Code = "transient"
		}
		verdict = refusal
	}
	if err := s.do(ctx, "SRC-22", in, verdict); err != nil {
		return "", err
	}
	return packed, nil
}

// badJWT says what is wrong with a JWT: in dialect test.fhir.org it is read
// only, though even there none and HMAC are never taken (protocol 2).
func (s *Service) badJWT(ctx context.Context, packed string) error {
	if !s.loose() {
		_, err := s.opt.Trust.Verify(ctx, packed)
		return err
	}
	token, err := Read(packed)
	if err != nil {
		return err
	}
	return token.CheckAlgorithm()
}

func jwtParameter(params *fhir.Object) (string, error) {
	const id, name = "SRC-21", "jwt"
	p, err := oneParameter(id, params, name)
	if err != nil {
		return "", err
	}
	packed, ok := p.Get("valueString").(string)
	if !ok {
		return "", check.Refuse(id, http.StatusBadRequest, "value", name, "the parameter jwt is no string; give the packed JWT as valueString")
	}
	if _, err := Read(packed); err != nil {
		return packed, check.Refuse(id, http.StatusBadRequest, "value", name, "the parameter jwt can't be read: %v", err)
	}
	return packed, nil
}

// duration is the instant at which the authorization of a request ends.
func (s *Service) duration(ctx context.Context, params *fhir.Object, now time.Time) (time.Time, error) {
	value, code, until, verdict := durationParameter(params, now)
	err := s.do(ctx, "SRC-20", check.Inputs{"value": value, "code": code, "now": stamp(now)}, verdict)
	if err == nil && verdict != nil {
		until = now.Add(time.Hour) // a script took a duration that is none
	}
	return until, err
}

func durationParameter(params *fhir.Object, now time.Time) (value, code string, until time.Time, verdict error) {
	const id, name = "SRC-20", "duration"
	p, err := oneParameter(id, params, name)
	if err != nil {
		return "", "", time.Time{}, err
	}
	refuse := func(issue, format string, args ...any) error {
		return check.Refuse(id, http.StatusBadRequest, issue, name, "the parameter duration "+format, args...)
	}
	d, ok := p.Get("valueDuration").(*fhir.Object)
	if !ok {
		return "", "", time.Time{}, refuse("value", "is no Duration; give a valueDuration such as {value 3, system %s, code mo}", ucum)
	}
	code = d.Text("code")
	switch v := d.Get("value").(type) {
	case fhir.Number:
		value = string(v)
	case string: // as in the reference server's own example
		value = v
	default:
		return "", code, time.Time{}, refuse("value", "has no value; give a number")
	}
	if system := d.Text("system"); system != "" && system != ucum {
		return value, code, time.Time{}, refuse("value", "has the system %q; it must be %s", clip(system), ucum)
	}
	if d.Has("comparator") {
		return value, code, time.Time{}, refuse("value", "has a comparator; give the duration itself")
	}
	if until, err = After(now, value, code); err != nil {
		return value, code, time.Time{}, refuse("value", "can't be used: %v", err)
	}
	return value, code, until, nil
}

// oneParameter is the parameter of that name; missing, or there twice, it is
// refused under the requirement id.
func oneParameter(id string, params *fhir.Object, name string) (*fhir.Object, error) {
	var found *fhir.Object
	for _, p := range params.Objects("parameter") {
		if p.Text("name") != name {
			continue
		}
		if found != nil {
			return nil, check.Refuse(id, http.StatusBadRequest, "invalid", name, "the parameter %s is there twice; give it once", name)
		}
		found = p
	}
	if found == nil {
		return nil, check.Refuse(id, http.StatusBadRequest, "required", name, "the parameter %s is missing", name)
	}
	return found, nil
}
