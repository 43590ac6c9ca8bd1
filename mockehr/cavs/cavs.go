// Package cavs is the Client Application Verification Service (protocol 1.7):
// what it says of an application's JWT, decided from FHIR resources on the
// node's own server, and a client that asks another one over HTTP.
package cavs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/oauth"
	"example.org/ccde/mockehr/store"
)

// Answer is what a CAVS says of a JWT. Its JSON method writes it in the node's
// dialect.
type Answer = oauth.Answer

// Options is what a Service works with.
type Options struct {
	Store  *store.Store // the registry: Device, Observation, Organization
	Clock  *clock.Clock
	Checks *check.Checks
	Trust  *oauth.Trust // the JWK sources
	Host   string       // the node's host, for the messages
	Log    *slog.Logger // may be nil
}

// Service decides about JWTs. It keeps nothing: each answer is read from the
// registry as it is then (CAV-10). Its methods may be called at the same time.
type Service struct {
	opt Options
}

// New returns the service.
func New(opt Options) *Service {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{opt: opt}
}

// Decide says what it has to say of a packed JWT (protocol 1.7). Its checks, in
// this order: CAV-07 (a JWT was given), CAV-04 (readable), CAV-09 (algorithm),
// CAV-12 (its key can be had), CAV-04 (key and signature), CAV-08 (not expired),
// CAV-03 (an application has it), CAV-05 (that one is active); then the values
// CAV-02 (the endorsements) and CAV-10 (the answer as a whole). A *check.Refusal
// is the error of a JWT that was not given (400), or whose key can't be had now
// (503); all else that is wrong with one is an Answer.
func (s *Service) Decide(ctx context.Context, packed string) (Answer, error) {
	answer, err := s.decide(ctx, packed)
	if err != nil {
		return Answer{}, err
	}
	return check.Value(ctx, s.opt.Checks, "CAV-10", check.Inputs{"jwt": packed}, answer), nil
}

func (s *Service) decide(ctx context.Context, packed string) (Answer, error) {
	var missing error
	if packed == "" {
		missing = check.Refuse("CAV-07", http.StatusBadRequest, "required", "jwt", "the form has no jwt; send jwt=[packed JWT]")
	}
	if err := s.do(ctx, "CAV-07", check.Inputs{"jwt": packed}, missing); err != nil {
		return Answer{}, err
	}
	if missing != nil { // let pass by a script, there is nothing to judge
		return s.approved(ctx, check.Inputs{"jwt": packed}, nil), nil
	}
	token, invalid, err := s.good(ctx, packed)
	if err != nil {
		return Answer{}, err
	}
	if invalid != nil {
		return Answer{Status: oauth.Invalid, Message: "invalid JWT: " + invalid.Error()}, nil
	}
	return s.standing(ctx, token)
}

// good reads and verifies a JWT: invalid is why it is not good, err why that
// can't be said.
func (s *Service) good(ctx context.Context, packed string) (token *oauth.Token, invalid, err error) {
	in := check.Inputs{"jwt": packed}
	token, unreadable := oauth.Read(packed)
	if unreadable != nil {
		in["reason"] = string(oauth.Unreadable)
		return &oauth.Token{Packed: packed}, s.do(ctx, "CAV-04", in, unreadable), nil
	}
	in["alg"], in["kid"], in["iss"], in["sub"], in["exp"] = token.Algorithm, token.KeyID, token.Issuer, token.Subject, token.Expires.Unix()
	badAlgorithm := token.CheckAlgorithm()
	if invalid := s.do(ctx, "CAV-09", in, badAlgorithm); invalid != nil {
		return token, invalid, nil
	}
	if badAlgorithm == nil {
		if invalid, err := s.signed(ctx, in, token); invalid != nil || err != nil {
			return token, invalid, err
		}
	}
	return token, s.alive(ctx, in, token), nil
}

// signed verifies the signature by the JWK sources.
func (s *Service) signed(ctx context.Context, in check.Inputs, token *oauth.Token) (invalid, err error) {
	problem := s.opt.Trust.VerifySignature(ctx, token)
	var outOfReach error
	if oauth.ReasonOf(problem) == oauth.KeysUnreachable {
		outOfReach = check.Refuse("CAV-12", http.StatusServiceUnavailable, "transient", "jwt",
			"the JWT can't be verified now: %v; try again later", problem)
		problem = nil
	}
	if err := s.do(ctx, "CAV-12", in, outOfReach); err != nil {
		return nil, err
	}
	in["reason"] = string(oauth.ReasonOf(problem))
	return s.do(ctx, "CAV-04", in, problem), nil
}

// alive checks claims and times. In dialect test.fhir.org an expired JWT is as
// good as any (protocol 2).
func (s *Service) alive(ctx context.Context, in check.Inputs, token *oauth.Token) error {
	problem := token.CheckClaims(s.opt.Clock.Now())
	var incomplete, expired error
	switch {
	case problem == nil:
	case oauth.ReasonOf(problem) != oauth.Expired:
		incomplete = problem
	case s.opt.Checks.Dialect() != check.TestFHIR:
		expired = problem
	}
	if incomplete != nil {
		in["reason"] = string(oauth.ReasonOf(incomplete))
		return s.do(ctx, "CAV-04", in, incomplete)
	}
	return s.do(ctx, "CAV-08", in, expired)
}

// standing is what the registry says of a good JWT.
func (s *Service) standing(ctx context.Context, token *oauth.Token) (Answer, error) {
	var found application
	err := s.opt.Store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = s.lookUp(tx, token)
		return err
	})
	if err != nil {
		return Answer{}, fmt.Errorf("the registry: %w", err)
	}
	in := check.Inputs{"jwt": token.Packed, "iss": token.Issuer, "sub": token.Subject, "devices": found.ids(), "statuses": found.statuses()}
	var unknown, unsuitable error
	if len(found.devices) == 0 {
		unknown = fmt.Errorf("no application with this iss and sub is registered at %s", s.opt.Host)
	}
	if err := s.do(ctx, "CAV-03", in, unknown); err != nil {
		return Answer{Status: oauth.Unknown, Message: err.Error()}, nil
	}
	if !found.active() && unknown == nil {
		unsuitable = errors.New("not suitable for use by " + s.opt.Host + ": its registration is not active")
	}
	if err := s.do(ctx, "CAV-05", in, unsuitable); err != nil {
		return Answer{Status: oauth.Unsuitable, Message: err.Error()}, nil
	}
	return s.approved(ctx, in, found.endorsements), nil
}

func (s *Service) approved(ctx context.Context, in check.Inputs, endorsements []oauth.Endorsement) Answer {
	return Answer{
		Status:       oauth.Approved,
		Message:      "Approved for use by " + s.opt.Host,
		Endorsements: check.Value(ctx, s.opt.Checks, "CAV-02", in, endorsements),
	}
}

func (s *Service) do(ctx context.Context, id string, in check.Inputs, verdict error) error {
	return s.opt.Checks.Do(ctx, id, in, verdict)
}

// Validate is Decide, so that a Service can stand where a client of one does.
func (s *Service) Validate(ctx context.Context, packed string) (Answer, error) {
	return s.Decide(ctx, packed)
}
