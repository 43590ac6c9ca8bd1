package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

// Grant is what an access token may do now (protocol 1.4, 1.5 and 1.9).
type Grant struct {
	// ID is the same for all tokens that come of one authorization or sign-in;
	// it is no secret.
	ID      string
	Patient string  // whose record it reads
	Scopes  []Scope // what it names
	Expires time.Time
	Consent string // id of the Consent behind it, "" with SignIn
	SignIn  bool   // it comes from SMART sign-in, not from 1.4
	Client  string // client_id, with SignIn
}

// Covers tells whether a scope of the grant names access, "read" or "write", to
// a resource type. That a token of 1.4 writes nothing is for the caller to say.
func (g *Grant) Covers(typ, access string) bool {
	return slices.ContainsFunc(g.Scopes, func(s Scope) bool { return s.Covers(typ, access) })
}

// ScopeText is the space separated list of the scopes.
func (g *Grant) ScopeText() string { return ScopeText(g.Scopes) }

// Token looks an access token up. In dialect strict the Consent behind it counts
// as it is now: withdrawn it ends the token (check SRC-45, as the end of its time
// does), and what it lost the token has lost (value SRC-45, the scopes as text;
// its inputs have consent_scope); what it gained the token has not gained. The grant behind a token of a
// sign-in must stand (check SRC-77). A token that is unknown or over is an *Error with status 401.
func (s *Service) Token(ctx context.Context, text string) (*Grant, error) {
	var token accessToken
	var c consent
	var gone error
	live := false
	revoked := ""
	err := s.opt.Store.View(ctx, func(tx *store.Tx) error {
		there, err := record(tx, tokenKind, text, &token)
		if err != nil {
			return err
		}
		if !there {
			return refuseToken("SRC-41", http.StatusUnauthorized, InvalidToken, "the access token is not known here")
		}
		if token.SignIn {
			_, revoked, err = standing(tx, token.GrantID)
		}
		if live = token.Consent != "" && !s.loose(); live {
			c, gone, err = loadConsent(tx, token.Consent, s.opt.Base)
		}
		return err
	})
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return nil, refused
	}
	if err != nil {
		return nil, fmt.Errorf("the access token: %w", err)
	}
	if token.SignIn {
		if err := checkGrant(ctx, s.opt.Checks, token.GrantID, revoked, http.StatusUnauthorized, InvalidToken); err != nil {
			return nil, err
		}
	}
	now := s.opt.Clock.Now()
	why := ""
	if live {
		why = c.withdrawn(gone, token.Patient, now)
	}
	if !now.Before(token.Expires) {
		why = "it was good until " + stamp(token.Expires)
	}
	var refusal *Error
	if why != "" {
		refusal = refuseToken("SRC-45", http.StatusUnauthorized, InvalidToken, "the access token is over: %s", why)
	}
	in := check.Inputs{"consent": token.Consent, "patient": token.Patient, "expires": stamp(token.Expires), "now": stamp(now),
		"status": c.Status, "deleted": gone != nil, "granted": ScopeText(token.Scopes), "period_end": c.PeriodEnd, "resource": c.resource()}
	if err := s.doToken(ctx, "SRC-45", in, refusal, InvalidToken); err != nil {
		return nil, err
	}
	scopes := token.Scopes
	if live && refusal == nil {
		scopes = s.scopesNow(ctx, token, c.granting())
	}
	return &Grant{ID: token.GrantID, Patient: token.Patient, Scopes: scopes, Expires: token.Expires,
		Consent: token.Consent, SignIn: token.SignIn, Client: token.Client}, nil
}

// scopesNow is what is left of the scopes of a token.
func (s *Service) scopesNow(ctx context.Context, token accessToken, now []Scope) []Scope {
	in := check.Inputs{"consent": token.Consent, "patient": token.Patient, "granted": ScopeText(token.Scopes), "consent_scope": ScopeText(now)}
	return ParseScopes(check.Value(ctx, s.opt.Checks, "SRC-45", in, ScopeText(Intersect(token.Scopes, now))))
}
