package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// Options is what a Service works with.
type Options struct {
	Store  *store.Store
	Clock  *clock.Clock
	Checks *check.Checks
	Trust  *Trust
	Base   string // the node's FHIR base, without a slash at its end
	// CAVS gives the CAVS to ask now, nil where none is set; it may be nil itself.
	CAVS func() Validator
	// TokenLife is how long an access token lives, if the authorization does;
	// 0 = one hour.
	TokenLife time.Duration
}

// Service is the source's side of the token service: authorizations and access
// tokens, kept in the store. Its methods may be called at the same time.
type Service struct {
	opt Options
}

// NewService returns the service.
func NewService(opt Options) *Service {
	if opt.TokenLife <= 0 {
		opt.TokenLife = time.Hour
	}
	return &Service{opt: opt}
}

const (
	authorizationKind = "authorization"
	tokenKind         = "access-token"
)

// authorization binds a JWT to a Consent for a time (protocol 1.3). Its record
// is found by the hash of its id.
type authorization struct {
	Consent string    `json:"consent"`
	Patient string    `json:"patient"`
	JWT     string    `json:"jwt"` // to the letter: the token request must bring the same
	Scopes  []Scope   `json:"scopes"`
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
}

// accessToken is a token that was handed out; its record is found by its hash.
type accessToken struct {
	GrantID string    `json:"grant"`
	SignIn  bool      `json:"signIn,omitempty"`
	Client  string    `json:"client,omitempty"`
	Consent string    `json:"consent,omitempty"`
	Patient string    `json:"patient"`
	Scopes  []Scope   `json:"scopes"`
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
}

// hash is the key under which the record of a secret text stands: who reads the
// store doesn't get the secret.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// record reads the record of a secret text; there says whether there is one.
func record(tx *store.Tx, kind, secret string, into any) (there bool, err error) {
	err = tx.Record(kind, hash(secret), into)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (s *Service) do(ctx context.Context, id string, in check.Inputs, verdict error) error {
	return s.opt.Checks.Do(ctx, id, in, verdict)
}

// loose tells whether the node speaks dialect test.fhir.org.
func (s *Service) loose() bool { return s.opt.Checks.Dialect() == check.TestFHIR }

// CheckConsent refuses a Consent that can't be created or updated (protocol
// 1.2): one without a patient (SRC-15), for a patient that is not here (SRC-04),
// or for another than the one chosen at sign-in (SRC-05; signedIn "" = any). The
// error is a *check.Refusal. The other faults of a Consent are refused at
// $authorize, which asks these three again. tx is the one that is to write it,
// so that it sees a patient that comes in the same Bundle.
func (s *Service) CheckConsent(ctx context.Context, tx *store.Tx, o *fhir.Object, signedIn string) error {
	c := readConsent(o, s.opt.Base)
	there, err := patientThere(tx, c.Patient)
	if err != nil {
		return fmt.Errorf("the Consent's patient: %w", err)
	}
	return s.checkPatient(ctx, c, there, signedIn)
}

func (s *Service) checkPatient(ctx context.Context, c consent, there bool, signedIn string) error {
	in := check.Inputs{"consent": c.ID, "patient": c.Reference, "there": there, "signed_in": signedIn, "resource": c.resource()}
	if err := s.do(ctx, "SRC-15", in, c.noPatient()); err != nil {
		return err
	}
	if err := s.do(ctx, "SRC-04", in, c.unknownPatient(there || c.Reference == "")); err != nil {
		return err
	}
	return s.do(ctx, "SRC-05", in, c.otherPatient(signedIn))
}

func patientThere(tx *store.Tx, id string) (bool, error) {
	if !fhir.ValidID(id) {
		return false, nil
	}
	_, err := tx.Read("Patient", id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDeleted) {
		return false, nil
	}
	return err == nil, err
}
