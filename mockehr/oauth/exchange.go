package oauth

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

// TokenRequest is a request to the token endpoint (protocol 1.4).
type TokenRequest struct {
	Authorization string     // the header, "" if there is none
	Form          url.Values // the body; the query string does not count
}

// TokenResponse is the answer to a good one. Its JSON has expires_in as the
// node's dialect writes it: a number, or a string.
type TokenResponse struct {
	AccessToken string
	ExpiresIn   int64 // seconds
	Scope       string
	Patient     string
	// RefreshToken is of a sign-in with offline_access (protocol 1.8); "" = none.
	RefreshToken string

	expiresInText bool
}

// MarshalJSON writes the answer of protocol 1.4 and 1.8.
func (r TokenResponse) MarshalJSON() ([]byte, error) {
	answer := map[string]any{
		"access_token": r.AccessToken,
		"token_type":   "Bearer",
		"expires_in":   r.ExpiresIn,
		"scope":        r.Scope,
		"patient":      r.Patient,
	}
	if r.RefreshToken != "" {
		answer["refresh_token"] = r.RefreshToken
	}
	if r.expiresInText {
		answer["expires_in"] = strconv.FormatInt(r.ExpiresIn, 10)
	}
	return json.Marshal(answer)
}

// granted is what the check SRC-31 decides of a token.
type granted struct {
	Scope     string `json:"scope"`
	Patient   string `json:"patient"`
	ExpiresIn int64  `json:"expires_in"`
}

// Exchange trades a JWT and an authorization for an access token (protocol
// 1.4). Its checks, in this order: SRC-36 (grant_type), SRC-33 (a Bearer), SRC-35
// (a known authorization), SRC-34 (the JWT that was authorized, to the letter),
// SRC-37 (alive), SRC-38 (the Consent as it is now; in dialect test.fhir.org it
// counts as it was); then the value SRC-31. What is refused is an *Error. exp and
// signature of the JWT were checked at $authorize, and are not again.
func (s *Service) Exchange(ctx context.Context, r TokenRequest) (TokenResponse, error) {
	packed, err := s.readTokenRequest(ctx, r)
	if err != nil {
		return TokenResponse{}, err
	}
	var response TokenResponse
	// One transaction: no Consent is withdrawn between the look at it and the token.
	err = s.opt.Store.Update(ctx, func(tx *store.Tx) error {
		auth, err := s.authorizationOf(ctx, tx, packed, r.Form["scope"])
		if err != nil {
			return err
		}
		response, err = s.handOut(ctx, tx, auth, r.Form.Get("scope"))
		return err
	})
	if err != nil {
		return TokenResponse{}, err
	}
	return response, nil
}

// readTokenRequest is the JWT of a request.
func (s *Service) readTokenRequest(ctx context.Context, r TokenRequest) (string, error) {
	grantType := r.Form.Get("grant_type")
	in := check.Inputs{"grant_type": grantType}
	if err := s.doToken(ctx, "SRC-36", in, badGrantType(r.Form, grantType), InvalidRequest); err != nil {
		return "", err
	}
	packed, refusal := bearer(r.Authorization)
	return packed, s.doToken(ctx, "SRC-33", check.Inputs{"jwt": packed}, refusal, InvalidClient)
}

func badGrantType(form url.Values, grantType string) *Error {
	switch {
	case len(form["grant_type"]) > 1:
		return refuseToken("SRC-36", http.StatusBadRequest, InvalidRequest, "grant_type is there twice; give it once")
	case grantType == "":
		return refuseToken("SRC-36", http.StatusBadRequest, InvalidRequest, "grant_type is missing; send grant_type=client_credentials")
	case grantType != "client_credentials":
		return refuseToken("SRC-36", http.StatusBadRequest, UnsupportedGrantType, "grant_type %q is not known here; send client_credentials, or authorization_code or refresh_token of a sign-in", clip(grantType))
	}
	return nil
}

func bearer(header string) (string, *Error) {
	refuse := func(why string) *Error {
		return refuseToken("SRC-33", http.StatusUnauthorized, InvalidClient, "%s", why)
	}
	if header == "" {
		return "", refuse("there is no Authorization header; send the JWT as Authorization: Bearer [JWT]")
	}
	scheme, packed, _ := strings.Cut(header, " ")
	packed = strings.Trim(packed, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		if packed == "" {
			packed = scheme
		}
		return packed, refuse("the Authorization header is no Bearer; send the JWT as Authorization: Bearer [JWT]")
	}
	if packed == "" {
		return "", refuse("the Authorization header has no JWT behind Bearer")
	}
	return packed, nil
}

// authorizationOf finds the authorization that scope names and refuses another
// JWT than its own.
func (s *Service) authorizationOf(ctx context.Context, tx *store.Tx, packed string, scopes []string) (authorization, error) {
	var auth authorization
	var scope string
	if len(scopes) > 0 {
		scope = scopes[0]
	}
	there, err := record(tx, authorizationKind, scope, &auth)
	if err != nil {
		return authorization{}, fmt.Errorf("the authorization: %w", err)
	}
	var refusal *Error
	switch {
	case len(scopes) > 1:
		refusal = refuseToken("SRC-35", http.StatusBadRequest, InvalidRequest, "scope is there twice; give it once")
	case scope == "":
		refusal = refuseToken("SRC-35", http.StatusBadRequest, InvalidScope, "scope is missing; send the id that $authorize answered")
	case !there:
		refusal = refuseToken("SRC-35", http.StatusBadRequest, InvalidScope, "scope is no authorization that is known here; send the id that $authorize answered")
	}
	if err := s.doToken(ctx, "SRC-35", check.Inputs{"jwt": packed, "scope": scope, "known": there}, refusal, InvalidScope); err != nil {
		return authorization{}, err
	}
	if !there { // a script passed it over: the JWT alone leads to one
		if auth, there, err = authorizationByJWT(tx, packed); err != nil {
			return authorization{}, err
		} else if !there {
			return authorization{}, refusal
		}
	}
	if packed == "" { // a script wanted no Bearer: the authorization alone is enough
		packed = auth.JWT
	}
	refusal = nil
	if subtle.ConstantTimeCompare([]byte(packed), []byte(auth.JWT)) != 1 {
		refusal = refuseToken("SRC-34", http.StatusUnauthorized, InvalidClient, "this is not the JWT that was authorized")
	}
	in := check.Inputs{"jwt": packed, "authorized": auth.JWT, "scope": scope, "consent": auth.Consent}
	return auth, s.doToken(ctx, "SRC-34", in, refusal, InvalidClient)
}

// authorizationByJWT is the latest authorization of a JWT.
func authorizationByJWT(tx *store.Tx, packed string) (latest authorization, there bool, err error) {
	err = tx.Records(authorizationKind, "", func(_ string, raw json.RawMessage) error {
		var a authorization
		if err := json.Unmarshal(raw, &a); err != nil {
			return err
		}
		if a.JWT == packed && (!there || a.Made.After(latest.Made)) {
			latest, there = a, true
		}
		return nil
	})
	return latest, there, err
}

// handOut makes an access token of an authorization, if it is alive and its
// Consent still gives something.
func (s *Service) handOut(ctx context.Context, tx *store.Tx, auth authorization, requested string) (TokenResponse, error) {
	now := s.opt.Clock.Now()
	in := check.Inputs{"consent": auth.Consent, "made": stamp(auth.Made), "expires": stamp(auth.Expires), "now": stamp(now)}
	var refusal *Error
	if !now.Before(auth.Expires) {
		refusal = refuseToken("SRC-37", http.StatusBadRequest, InvalidGrant, "the authorization was over at %s", stamp(auth.Expires))
	}
	if err := s.doToken(ctx, "SRC-37", in, refusal, InvalidGrant); err != nil {
		return TokenResponse{}, err
	}
	if refusal != nil {
		auth.Expires = now.Add(s.opt.TokenLife) // a script lets it run on
	}
	scopes, ends, err := s.consentNow(ctx, tx, auth, now)
	if err != nil {
		return TokenResponse{}, err
	}
	life := min(s.opt.TokenLife, ends.Sub(now))
	in = check.Inputs{"jwt": auth.JWT, "requested": requested, "consent": auth.Consent, "left": int64(ends.Sub(now) / time.Second),
		"authorized_scope": ScopeText(auth.Scopes)}
	g := check.Value(ctx, s.opt.Checks, "SRC-31", in, granted{ScopeText(scopes), auth.Patient, int64(life / time.Second)})
	token := accessToken{GrantID: hash(auth.Consent + " " + auth.JWT)[:32], Consent: auth.Consent, Patient: g.Patient,
		Scopes: ParseScopes(g.Scope), Made: now, Expires: now.Add(life)}
	text := "urn:oauth:" + uuid.NewString()
	if err := tx.PutRecord(tokenKind, hash(text), token); err != nil {
		return TokenResponse{}, fmt.Errorf("keeping the access token: %w", err)
	}
	return TokenResponse{AccessToken: text, ExpiresIn: g.ExpiresIn, Scope: g.Scope, Patient: g.Patient, expiresInText: s.loose()}, nil
}

// consentNow is what the Consent of an authorization gives now, and until when.
func (s *Service) consentNow(ctx context.Context, tx *store.Tx, auth authorization, now time.Time) (scopes []Scope, ends time.Time, err error) {
	if s.loose() {
		return auth.Scopes, auth.Expires, s.doToken(ctx, "SRC-38", check.Inputs{"consent": auth.Consent}, nil, InvalidGrant)
	}
	c, gone, err := loadConsent(tx, auth.Consent, s.opt.Base)
	if err != nil {
		return nil, time.Time{}, err
	}
	why := c.withdrawn(gone, auth.Patient, now)
	var refusal *Error
	if why != "" {
		refusal = refuseToken("SRC-38", http.StatusBadRequest, InvalidGrant, "the authorization has ended: %s", why)
	}
	in := check.Inputs{"consent": auth.Consent, "status": c.Status, "deleted": gone != nil, "patient": c.Patient, "authorized_patient": auth.Patient,
		"authorized_scope": ScopeText(auth.Scopes), "period_end": c.PeriodEnd, "now": stamp(now), "resource": c.resource()}
	if err := s.doToken(ctx, "SRC-38", in, refusal, InvalidGrant); err != nil {
		return nil, time.Time{}, err
	}
	if refusal != nil { // a script lets it run on
		return auth.Scopes, auth.Expires, nil
	}
	return c.granting(), c.cap(auth.Expires), nil
}

// cap is the earlier of until and the end of the Consent's period.
func (c consent) cap(until time.Time) time.Time {
	if c.PeriodEnd != "" && c.endError == nil && c.Ends.Before(until) {
		return c.Ends
	}
	return until
}

// doToken is a check of the token endpoint: what an override refuses becomes an
// *Error with the code of the check.
func (s *Service) doToken(ctx context.Context, id string, in check.Inputs, refusal *Error, code string) error {
	own := &Error{ID: id, Status: http.StatusBadRequest, Code: code}
	var verdict error
	if refusal != nil {
		verdict, own = refusal, refusal
	}
	return asTokenError(s.do(ctx, id, in, verdict), own)
}
