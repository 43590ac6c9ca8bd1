package exchange

import (
	"context"
	"net/http"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

// fetch gets a URL of the source with an access token; anything but 200 is a failure. A 401 gets a new
// token once (TGT-29).
func (w *worker) fetch(ctx context.Context, target, by string) (*answer, error) {
	t, err := w.access(ctx)
	if err != nil {
		return nil, err
	}
	a, err := w.ask(ctx, target, t, by)
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusUnauthorized {
		if a, err = w.unauthorized(ctx, target, by, a); err != nil {
			return nil, err
		}
	}
	if f := w.failureOf(a); f != nil {
		return nil, f
	}
	return a, nil
}

// maxRenewals bounds TGT-29 where it is overridden.
const maxRenewals = 10

// unauthorized handles a 401: the token is over, or this one thing is refused by 401 in place of 403.
// A source that has done the latter before is asked for the patient first, so that not each such
// refusal costs a token.
func (w *worker) unauthorized(ctx context.Context, target, by string, a *answer) (*answer, error) {
	if w.suspect {
		good, err := w.tokenGood(ctx)
		if err != nil || good {
			return a, err
		}
	}
	for tries := 1; tries <= maxRenewals; tries++ {
		in := check.Inputs{"connection": w.state().ID, "url": target, "tries": tries}
		if !check.Value(ctx, w.Checks, "TGT-29", in, tries == 1) {
			break
		}
		if err := w.forgetToken(ctx); err != nil {
			return nil, err
		}
		t, err := w.access(ctx)
		if err != nil {
			return nil, err
		}
		if a, err = w.ask(ctx, target, t, by); err != nil || a.status != http.StatusUnauthorized {
			return a, err
		}
	}
	if !readScopes(w.state().Token.Scope).reads("Patient") {
		return a, nil // nothing that tells a bad token from a refusal
	}
	good, err := w.tokenGood(ctx)
	if err != nil {
		return nil, err
	}
	if !good {
		return nil, fail(fatal, "the source answers 401 to a token that it has just given")
	}
	w.suspect = true
	return a, nil
}

// tokenGood tells whether the source takes the token, by reading the patient.
func (w *worker) tokenGood(ctx context.Context) (bool, error) {
	t, err := w.access(ctx)
	if err != nil {
		return false, err
	}
	st := w.state()
	a, err := w.ask(ctx, st.Base+"/Patient/"+st.Patient, t, byPlan)
	if err != nil {
		return false, err
	}
	if f := w.failureOf(a); f != nil && f.kind == passing {
		return false, f
	}
	return a.status != http.StatusUnauthorized, nil
}

func (w *worker) forgetToken(ctx context.Context) error {
	return w.change(ctx, func(_ *store.Tx, st *state) error {
		st.Token.Value = "" // its scope stays: the plan goes by it
		return nil
	})
}
