package oauth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

// The grants of a sign-in at the token endpoint.
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// SignInRequirement tells which requirement a token request is about if it is
// one of a sign-in: SRC-74 with a code, SRC-76 with a refresh token; "" for a
// request of protocol 1.4. What else it holds decides where grant_type is wrong.
func SignInRequirement(authorization string, form url.Values) string {
	scheme, _, _ := strings.Cut(authorization, " ")
	switch grantType := form.Get("grant_type"); {
	case form.Has("refresh_token"):
		return "SRC-76"
	case form.Has("code"):
		return "SRC-74"
	case strings.EqualFold(scheme, "Bearer"):
		return "" // a JWT goes with protocol 1.4 only
	case grantType == grantCode:
		return "SRC-74"
	case grantType == grantRefresh:
		return "SRC-76"
	}
	return ""
}

// Token trades a code or a refresh token for an access token (protocol 1.8, RFC
// 6749 4.1.3 and 6). Its checks: SRC-74 for a code, SRC-78 for its PKCE, SRC-76
// and SRC-75 (no wider scope) for a refresh token, SRC-77 (the grant stands);
// then the values SRC-73 and SRC-75. What is refused is an *Error; a refused
// request leaves the code or the refresh token as it was, but for one that was
// used before, which ends what it gave.
func (s *SignIn) Token(ctx context.Context, r TokenRequest) (TokenResponse, error) {
	id := SignInRequirement(r.Authorization, r.Form)
	want, use := grantCode, s.useCode
	if id == "SRC-76" {
		want, use = grantRefresh, s.useRefresh
	}
	grantType := r.Form.Get("grant_type")
	var refusal *Error
	switch {
	case len(r.Form["grant_type"]) > 1:
		refusal = refuseToken(id, http.StatusBadRequest, InvalidRequest, "grant_type is there twice; give it once")
	case grantType == "":
		refusal = refuseToken(id, http.StatusBadRequest, InvalidRequest, "grant_type is missing; send grant_type=%s", want)
	case grantType != want:
		refusal = refuseToken(id, http.StatusBadRequest, UnsupportedGrantType, "grant_type %q does not go with the rest; send %s", clip(grantType), want)
	}
	if err := s.refuse(ctx, id, check.Inputs{"parameter": "grant_type", "value": grantType}, refusal); err != nil {
		return TokenResponse{}, err
	}
	client, err := s.authenticate(ctx, id, r)
	if err != nil {
		return TokenResponse{}, err
	}
	var response TokenResponse
	var refused error // one that is to be remembered: the transaction stands
	err = s.opt.Store.Update(ctx, func(tx *store.Tx) (err error) {
		response, refused, err = use(ctx, tx, client, r.Form)
		return err
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return TokenResponse{}, err
	}
	return response, nil
}

// refuse is a check whose refusal is told as RFC 6749 5.2.
func (s *SignIn) refuse(ctx context.Context, id string, in check.Inputs, refusal *Error) error {
	own := &Error{ID: id, Status: http.StatusBadRequest, Code: InvalidRequest}
	var verdict error
	if refusal != nil {
		verdict, own = refusal, refusal
	}
	return asTokenError(s.opt.Checks.Do(ctx, id, in, verdict), own)
}

// one is a parameter that must be there once.
func one(id string, form url.Values, name string) (string, *Error) {
	value := form.Get(name)
	switch {
	case len(form[name]) > 1:
		return value, refuseToken(id, http.StatusBadRequest, InvalidRequest, "%s is there twice; give it once", name)
	case value == "":
		return "", refuseToken(id, http.StatusBadRequest, InvalidRequest, "%s is missing", name)
	}
	return value, nil
}

// useCode trades a code. refused is a refusal that ends what the code gave.
func (s *SignIn) useCode(ctx context.Context, tx *store.Tx, client Client, form url.Values) (response TokenResponse, refused, err error) {
	const id = "SRC-74"
	text, refusal := one(id, form, "code")
	var c code
	there, err := record(tx, codeKind, text, &c)
	if err != nil {
		return response, nil, fmt.Errorf("the code: %w", err)
	}
	if refusal == nil && (!there || c.Request.Client != client.ID) {
		refusal = refuseToken(id, http.StatusBadRequest, InvalidGrant, "the code is not known here, or was given to another application")
	}
	in := check.Inputs{"parameter": "code", "value": text, "client_id": client.ID, "given_to": c.Request.Client}
	if err := s.refuse(ctx, id, in, refusal); err != nil || !there {
		return response, nil, orElse(err, refusal)
	}
	uri, refusal := one(id, form, "redirect_uri")
	if refusal == nil && uri != c.Request.Redirect {
		refusal = refuseToken(id, http.StatusBadRequest, InvalidGrant, "redirect_uri is not the one of the authorization request, to the letter")
	}
	if err := s.refuse(ctx, id, check.Inputs{"parameter": "redirect_uri", "value": uri, "requested": c.Request.Redirect}, refusal); err != nil {
		return response, nil, err
	}
	verifier, twice := form.Get("code_verifier"), len(form["code_verifier"]) > 1
	in = check.Inputs{"parameter": "code_verifier", "value": verifier, "challenge": c.Request.Challenge, "client_id": client.ID}
	if err := s.refuse(ctx, "SRC-78", in, badVerifier(c.Request.Challenge, verifier, twice)); err != nil {
		return response, nil, err
	}
	now := s.opt.Clock.Now()
	refusal = nil
	switch {
	case c.Grant != "":
		refusal = refuseToken(id, http.StatusBadRequest, InvalidGrant, "the code was used before; what it gave has ended")
	case !now.Before(c.Expires):
		refusal = refuseToken(id, http.StatusBadRequest, InvalidGrant, "the code was good until %s", stamp(c.Expires))
	}
	in = check.Inputs{"parameter": "code", "value": text, "used": c.Grant != "", "expires": stamp(c.Expires), "now": stamp(now)}
	if err := s.refuse(ctx, id, in, refusal); err != nil {
		if c.Grant != "" {
			return response, err, s.endGrant(tx, c.Grant)
		}
		return response, nil, err
	}
	c.Grant = publicID()
	if err := tx.PutRecord(codeKind, hash(text), c); err != nil {
		return response, nil, err
	}
	g := grantRecord{Client: client.ID, User: c.User, Patient: c.Patient, Scopes: c.Request.Scopes, Made: now}
	response, err = s.give(ctx, tx, c.Grant, &g, "SRC-73", g.Scopes)
	return response, nil, err
}

// orElse is err, or the refusal that a script passed over though there is
// nothing to go on with.
func orElse(err error, refusal *Error) error {
	if err == nil && refusal != nil {
		return refusal
	}
	return err
}

func joined(words []string) string { return strings.Join(words, " ") }
