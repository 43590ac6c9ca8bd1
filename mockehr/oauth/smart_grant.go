package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

// grantRecord is what one sign-in gave an application. Its tokens are good as
// long as it stands.
type grantRecord struct {
	Client  string    `json:"client"`
	User    string    `json:"user"`
	Patient string    `json:"patient"`
	Scopes  []string  `json:"scopes"`
	Made    time.Time `json:"made"`
	Used    time.Time `json:"used"`              // when it last gave a token
	Ends    time.Time `json:"ends,omitzero"`     // without a refresh token: with its access token
	Revoked time.Time `json:"revoked,omitzero"`  // zero = it stands
	Sweep   time.Time `json:"sweep,omitzero"`    // zero = it has no end
	Refresh string    `json:"refresh,omitempty"` // key of its refresh token
}

func (g grantRecord) offline() bool { return slices.Contains(g.Scopes, ScopeOffline) }

// Given is a grant as the person sees it.
type Given struct {
	ID      string
	Client  Client
	Patient string
	Scopes  []string
	Made    time.Time
	Used    time.Time // when the application last got a token
	Ends    time.Time // zero = when the person revokes it
}

// Grants are those of the person of a visit that stand, the latest first.
func (s *SignIn) Grants(ctx context.Context, v Visit) ([]Given, error) {
	now, directory := s.opt.Clock.Now(), s.opt.Directory()
	var list []Given
	err := s.opt.Store.View(ctx, func(tx *store.Tx) error {
		return tx.Records(grantKind, "", func(id string, raw json.RawMessage) error {
			var g grantRecord
			if err := json.Unmarshal(raw, &g); err != nil {
				return err
			}
			if g.User != v.User || !g.Revoked.IsZero() || (!g.Ends.IsZero() && !now.Before(g.Ends)) {
				return nil
			}
			client, _ := directory.client(g.Client)
			list = append(list, Given{ID: id, Client: client, Patient: g.Patient, Scopes: g.Scopes, Made: g.Made, Used: g.Used, Ends: g.Ends})
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("the grants: %w", err)
	}
	slices.SortStableFunc(list, func(a, b Given) int { return b.Made.Compare(a.Made) })
	return list, nil
}

// Revoke ends a grant of the person of a visit (SRC-77). One that is not theirs,
// or not there, is an *AnswerError; one that ended already is none.
func (s *SignIn) Revoke(ctx context.Context, v Visit, id string) error {
	return s.opt.Store.Update(ctx, func(tx *store.Tx) error {
		var g grantRecord
		err := tx.Record(grantKind, id, &g)
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("the grant: %w", err)
		case err != nil, v.User == "", g.User != v.User:
			return &AnswerError{Status: http.StatusUnprocessableEntity, Field: "grant", Message: "This access is not there any more."}
		}
		return s.endGrant(tx, id)
	})
}

// endGrant ends a grant, and with it all of its tokens; one that ended, or is
// not there, stays as it is.
func (s *SignIn) endGrant(tx *store.Tx, id string) error {
	var g grantRecord
	err := tx.Record(grantKind, id, &g)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("the grant: %w", err)
	case !g.Revoked.IsZero():
		return nil
	}
	g.Revoked = s.opt.Clock.Now()
	g.Sweep = g.Revoked.Add(keepLife)
	if g.Refresh != "" {
		if err := tx.PutRecord(refreshKind, g.Refresh, refreshRecord{Grant: id, Client: g.Client, Sweep: g.Sweep}); err != nil {
			return err
		}
	}
	return tx.PutRecord(grantKind, id, g)
}

// standing reads a grant; why says why it gives nothing any more, "" while it
// stands.
func standing(tx *store.Tx, id string) (g grantRecord, why string, err error) {
	err = tx.Record(grantKind, id, &g)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return g, "what the person granted has ended", nil
	case err != nil:
		return g, "", fmt.Errorf("the grant: %w", err)
	case !g.Revoked.IsZero():
		return g, "what the person granted was revoked", nil
	}
	return g, "", nil
}

// checkGrant refuses a token whose grant was revoked (SRC-77).
func checkGrant(ctx context.Context, checks *check.Checks, id, why string, status int, code string) error {
	own := refuseToken("SRC-77", status, code, "%s", why)
	var verdict error
	if why != "" {
		verdict = own
	}
	return asTokenError(checks.Do(ctx, "SRC-77", check.Inputs{"grant": id, "ended": why}, verdict), own)
}

// give hands out an access token of a grant, with a refresh token where the
// person granted it. scopes are those of the access token.
func (s *SignIn) give(ctx context.Context, tx *store.Tx, id string, g *grantRecord, requirement string, scopes []string) (TokenResponse, error) {
	now := s.opt.Clock.Now()
	in := check.Inputs{"client_id": g.Client, "granted": joined(g.Scopes), "user": g.User}
	out := check.Value(ctx, s.opt.Checks, requirement, in, granted{joined(scopes), g.Patient, int64(s.opt.TokenLife / time.Second)})
	expires := now.Add(s.opt.TokenLife)
	text := secret()
	token := accessToken{GrantID: id, SignIn: true, Client: g.Client, Patient: out.Patient, Scopes: ParseScopes(out.Scope), Made: now, Expires: expires}
	if err := tx.PutRecord(tokenKind, hash(text), token); err != nil {
		return TokenResponse{}, fmt.Errorf("keeping the access token: %w", err)
	}
	response := TokenResponse{AccessToken: text, ExpiresIn: out.ExpiresIn, Scope: out.Scope, Patient: out.Patient, expiresInText: s.loose()}
	g.Used = now
	if g.offline() {
		response.RefreshToken = secret()
		g.Refresh = hash(response.RefreshToken)
		if err := tx.PutRecord(refreshKind, g.Refresh, refreshRecord{Grant: id, Client: g.Client}); err != nil {
			return TokenResponse{}, fmt.Errorf("keeping the refresh token: %w", err)
		}
	} else {
		g.Ends, g.Sweep = expires, expires.Add(keepLife)
	}
	if err := tx.PutRecord(grantKind, id, g); err != nil {
		return TokenResponse{}, fmt.Errorf("keeping the grant: %w", err)
	}
	return response, nil
}
