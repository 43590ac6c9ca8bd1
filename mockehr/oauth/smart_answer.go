package oauth

import (
	"context"
	"net/http"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

// code is an authorization code; its record is found by its hash.
type code struct {
	Request Request   `json:"request"`
	User    string    `json:"user"`
	Patient string    `json:"patient"`
	Expires time.Time `json:"expires"`
	Grant   string    `json:"grant,omitempty"` // what it gave, once it was used
	Sweep   time.Time `json:"sweep"`
}

// Approve is the person's yes: where the browser goes then, the application's
// redirect_uri with code and state. It ends the visit.
func (s *SignIn) Approve(ctx context.Context, v Visit) (location string, err error) {
	_, err = s.change(ctx, v, func(tx *store.Tx, v *Visit) error {
		if err := answerable(*v); err != nil {
			return err
		}
		text, now := secret(), s.opt.Clock.Now()
		made := code{Request: *v.Request, User: v.User, Patient: v.Patient, Expires: now.Add(codeLife), Sweep: now.Add(keepLife)}
		if err := tx.PutRecord(codeKind, hash(text), made); err != nil {
			return err
		}
		location = withParameters(v.Request.Redirect, append(Query{{"code", text}}, s.stateOf(ctx, *v.Request)...))
		return tx.DeleteRecord(visitKind, v.ID)
	})
	return location, err
}

// Deny is the person's no: the redirect_uri with access_denied (SRC-72) and the
// state. It ends the visit.
func (s *SignIn) Deny(ctx context.Context, v Visit) (location string, err error) {
	_, err = s.change(ctx, v, func(tx *store.Tx, v *Visit) error {
		if v.Request == nil {
			return errVisit()
		}
		denied := check.Value(ctx, s.opt.Checks, "SRC-72", check.Inputs{"client_id": v.Request.Client, "user": v.User}, AccessDenied)
		location = withParameters(v.Request.Redirect, append(
			Query{{"error", denied}, {"error_description", "the person denied it"}}, s.stateOf(ctx, *v.Request)...))
		return tx.DeleteRecord(visitKind, v.ID)
	})
	return location, err
}

// answerable refuses a yes before the person signed in and chose a patient.
func answerable(v Visit) error {
	if v.Request == nil || v.User == "" || v.Patient == "" {
		return &check.Refusal{Status: http.StatusConflict, Code: "invalid",
			Message: "This sign-in is not that far yet. Sign in and choose a patient first."}
	}
	return nil
}

// Opinion is what the CAVS says of an application; Asked says whether there was
// one to ask and a JWT to ask about, Err why it gave no answer.
type Opinion struct {
	Asked  bool
	Answer Answer
	Err    error
}

// Opinion asks the CAVS about the application of a visit (protocol 1.8), 9
// seconds at most.
func (s *SignIn) Opinion(ctx context.Context, v Visit) Opinion {
	if s.opt.CAVS == nil || v.Client.JWT == "" {
		return Opinion{}
	}
	validator := s.opt.CAVS()
	if validator == nil {
		return Opinion{}
	}
	ctx, cancel := context.WithTimeout(ctx, authorizeTime)
	defer cancel()
	answer, err := validator.Validate(ctx, v.Client.JWT)
	return Opinion{Asked: true, Answer: answer, Err: err}
}
