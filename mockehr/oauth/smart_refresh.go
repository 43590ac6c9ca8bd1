package oauth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

// refreshRecord is a refresh token; its record is found by its hash.
type refreshRecord struct {
	Grant  string `json:"grant"`
	Client string `json:"client"`
	Used   bool   `json:"used,omitempty"` // another one took its place
	// Sweep is zero while it is good.
	Sweep time.Time `json:"sweep,omitzero"`
}

// useRefresh trades a refresh token, for a new one too: it is good once. One
// that is used again was stolen, from the application or from the thief, and
// ends the grant (RFC 9700 4.14.2). refused is the refusal that does.
func (s *SignIn) useRefresh(ctx context.Context, tx *store.Tx, client Client, form url.Values) (response TokenResponse, refused, err error) {
	const id = "SRC-76"
	text, refusal := one(id, form, "refresh_token")
	var r refreshRecord
	there, err := record(tx, refreshKind, text, &r)
	if err != nil {
		return response, nil, fmt.Errorf("the refresh token: %w", err)
	}
	if refusal == nil && (!there || r.Client != client.ID) {
		refusal = refuseToken(id, http.StatusBadRequest, InvalidGrant, "the refresh token is not known here, or was given to another application")
	}
	in := check.Inputs{"parameter": "refresh_token", "value": text, "client_id": client.ID, "given_to": r.Client}
	if err := s.refuse(ctx, id, in, refusal); err != nil || !there {
		return response, nil, orElse(err, refusal)
	}
	g, why, err := standing(tx, r.Grant)
	if err != nil {
		return response, nil, err
	}
	if person, known := s.opt.Directory().person(g.User); why == "" && (!known || !person.may(g.Patient)) {
		why = "the person who granted it can no longer choose that patient"
	}
	if err := checkGrant(ctx, s.opt.Checks, r.Grant, why, http.StatusBadRequest, InvalidGrant); err != nil {
		return response, nil, err
	}
	refusal = nil
	if r.Used {
		refusal = refuseToken(id, http.StatusBadRequest, InvalidGrant, "the refresh token was used before; what the person granted has ended")
	}
	if err := s.refuse(ctx, id, check.Inputs{"parameter": "refresh_token", "value": text, "used": r.Used}, refusal); err != nil {
		if r.Used {
			return response, err, s.endGrant(tx, r.Grant)
		}
		return response, nil, err
	}
	scopes, err := s.narrowed(ctx, g, form)
	if err != nil {
		return response, nil, err
	}
	r.Used, r.Sweep = true, s.opt.Clock.Now().Add(keepLife)
	if err := tx.PutRecord(refreshKind, hash(text), r); err != nil {
		return response, nil, err
	}
	response, err = s.give(ctx, tx, r.Grant, &g, "SRC-75", scopes)
	return response, nil, err
}

// narrowed is the scopes that a refresh asks for: those of the grant, or fewer
// (RFC 6749 6). The next refresh may ask for all of the grant again.
func (s *SignIn) narrowed(ctx context.Context, g grantRecord, form url.Values) ([]string, error) {
	const id = "SRC-75"
	wanted := strings.Fields(form.Get("scope"))
	var refusal *Error
	switch over := wider(wanted, g.Scopes); {
	case len(form["scope"]) > 1:
		refusal = refuseToken(id, http.StatusBadRequest, InvalidRequest, "scope is there twice; give it once")
	case over != "":
		refusal = refuseToken(id, http.StatusBadRequest, InvalidScope, "scope %q goes beyond what the person granted", clip(over))
	}
	in := check.Inputs{"parameter": "scope", "value": form.Get("scope"), "granted": joined(g.Scopes)}
	if err := s.refuse(ctx, id, in, refusal); err != nil {
		return nil, err
	}
	if len(wanted) == 0 {
		return g.Scopes, nil
	}
	slices.Sort(wanted)
	return slices.Compact(wanted), nil
}
