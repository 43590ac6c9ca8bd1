package mockehr

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

func TestAnOAuthClientSignsIn(t *testing.T) {
	for name, c := range map[string]struct {
		id, secret, redirect string
		style                oauth2.AuthStyle
	}{
		"confidential, by HTTP Basic":   {"app", "s ecret+%/", appRedirect, oauth2.AuthStyleInHeader},
		"confidential, in the body":     {"app", "s ecret+%/", appRedirect, oauth2.AuthStyleInParams},
		"confidential, one that tries":  {"app", "s ecret+%/", appRedirect, oauth2.AuthStyleAutoDetect},
		"public, by a native app's URI": {"public", "", nativeRedirect, oauth2.AuthStyleInParams},
		"public, one that tries":        {"public", "", nativeRedirect, oauth2.AuthStyleAutoDetect},
	} {
		t.Run(name, func(t *testing.T) {
			n := newSignInNode(t)
			app := n.client(c.id, c.secret, c.redirect, "launch/patient", "patient/*.read", "offline_access", "openid")
			app.Endpoint.AuthStyle = c.style
			token := n.signedIn(t, app, "example")
			assert.Equal(t, "Bearer", token.TokenType)
			assert.Equal(t, "launch/patient patient/*.read offline_access", token.Extra("scope"))
			assert.Equal(t, "example", token.Extra("patient"))
			assert.EqualValues(t, 3600, token.Extra("expires_in"))
			status, _, _ := n.call(t, "GET", "/Patient/example", token.AccessToken, "")
			assert.Equal(t, http.StatusOK, status)

			token.Expiry = time.Now().Add(-time.Hour) // the client's own clock
			next, err := app.TokenSource(context.Background(), token).Token()
			require.NoError(t, err)
			assert.NotEqual(t, token.AccessToken, next.AccessToken)
			assert.NotEqual(t, token.RefreshToken, next.RefreshToken)
			status, _, _ = n.call(t, "GET", "/Condition?patient=example", next.AccessToken, "")
			assert.Equal(t, http.StatusOK, status)
		})
	}
}

func TestASignInReachesTheChosenPatientOnly(t *testing.T) {
	n := newSignInNode(t)
	token := n.signedIn(t, n.app("launch/patient", "patient/Patient.read"), "example").AccessToken
	consent := func(patient string) string {
		return `{"resourceType":"Consent","status":"active","patient":{"reference":"Patient/` + patient + `"},
		"policyRule":"http://hl7.org/fhir/ConsentDefinition/simple-oauth","except":[{"type":"permit",
		"class":[{"system":"http://smarthealthit.org/fhir/scopes","code":"user/*.*"}]}]}`
	}
	for name, c := range map[string]struct {
		method, path, body string
		want               int
	}{
		"the patient":                       {"GET", "/Patient/example", "", http.StatusOK},
		"another patient":                   {"GET", "/Patient/other", "", http.StatusNotFound},
		"what the scopes don't name":        {"GET", "/Condition/c-example", "", http.StatusForbidden},
		"a Consent of the patient":          {"POST", "/Consent", consent("example"), http.StatusCreated},
		"a Consent of another (SRC-05)":     {"POST", "/Consent", consent("other"), http.StatusForbidden},
		"a Consent of one the person knows": {"POST", "/Consent", consent("third"), http.StatusForbidden},
		"a write":                           {"POST", "/Condition", `{"resourceType":"Condition","subject":{"reference":"Patient/example"}}`, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, _ := n.call(t, c.method, c.path, token, c.body)
			assert.Equal(t, c.want, status, body)
		})
	}
	// $authorize of a Consent that is another patient's.
	status, body, header := n.call(t, "POST", "/Consent", adminBearer, consent("other"))
	require.Equal(t, http.StatusCreated, status, body)
	at := strings.TrimSuffix(strings.TrimPrefix(header.Get("Location"), n.root+"/r3"), "/_history/1")
	status, body, _ = n.call(t, "POST", at+"/$authorize", token, `{"resourceType":"Parameters","parameter":[
		{"name":"duration","valueDuration":{"value":1,"code":"h"}},{"name":"jwt","valueString":"x"}]}`)
	assert.Equal(t, http.StatusForbidden, status, body)
	assert.Contains(t, body, "another patient")
}

func TestConnectionsBelongToTheSignIn(t *testing.T) {
	n := newSignInNode(t)
	app := n.app("patient/*.read", "offline_access")
	first := n.signedIn(t, app, "example")
	packed, err := n.issuer.Issue(context.Background(), "source")
	require.NoError(t, err)
	form := url.Values{"source": {"http://127.0.0.1:9/r3"}, "consent": {"c"}, "expires_in": {"60"}, "jwt": {packed}, "authorization": {"a"}}
	r, err := http.NewRequest("POST", n.root+"/r3/$connect", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	first.SetAuthHeader(r)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	path := strings.TrimPrefix(response.Header.Get("Content-Location"), n.root+"/r3")

	next, err := app.TokenSource(context.Background(), &oauth2.Token{RefreshToken: first.RefreshToken}).Token()
	require.NoError(t, err)
	status, body, _ := n.call(t, "GET", path, next.AccessToken, "")
	assert.Equal(t, http.StatusOK, status, body)
	another := n.signedIn(t, app, "example")
	status, _, _ = n.call(t, "GET", path, another.AccessToken, "")
	assert.Contains(t, []int{http.StatusForbidden, http.StatusNotFound}, status)
}

func TestADenialComesBack(t *testing.T) {
	n := newSignInNode(t)
	back := newVisitor(t).decide(n.app("patient/*.read").AuthCodeURL("xyz"), "example", "deny")
	assert.Equal(t, "127.0.0.1:9", back.Host)
	assert.Equal(t, "1", back.Query().Get("app"), "the redirect_uri's own query stays")
	assert.Equal(t, "access_denied", back.Query().Get("error"))
	assert.Equal(t, "xyz", back.Query().Get("state"))
	assert.False(t, back.Query().Has("code"))
}

func TestAStateComesBackIntact(t *testing.T) {
	n := newSignInNode(t)
	for name, state := range map[string]string{
		"long":            strings.Repeat("0123456789abcdef", 2000),
		"odd":             "a b+c%20d&e=f#g;h/?'\"<>\\\x00\x7f",
		"not ASCII":       "zażółć 💊 \u202e",
		"no UTF-8":        "\xff\xfe\x80",
		"line breaks":     "a\r\nLocation: http://evil.example\r\n",
		"looks like code": "&code=evil&error=none",
	} {
		t.Run(name, func(t *testing.T) {
			back := newVisitor(t).decide(n.app("patient/*.read").AuthCodeURL(state), "example", "approve")
			assert.Equal(t, []string{state}, back.Query()["state"])
			assert.Len(t, back.Query()["code"], 1)
			// A client that doesn't know + for a space reads the same.
			for part := range strings.SplitSeq(back.RawQuery, "&") {
				if value, ok := strings.CutPrefix(part, "state="); ok {
					plain, err := url.PathUnescape(value)
					require.NoError(t, err)
					assert.Equal(t, state, plain)
				}
			}
		})
	}
}

func TestRefusedTokenRequestsOfASignIn(t *testing.T) {
	n := newSignInNode(t)
	ctx := context.Background()
	app := n.app("patient/*.read", "offline_access")
	verifier := oauth2.GenerateVerifier()
	code := newVisitor(t).decide(app.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), "example", "approve").Query().Get("code")
	plain := newVisitor(t).decide(app.AuthCodeURL("s"), "example", "approve").Query().Get("code")
	refusal := func(err error) string {
		t.Helper()
		var refused *oauth2.RetrieveError
		require.True(t, errors.As(err, &refused), "%v", err)
		require.Equal(t, "no-store", refused.Response.Header.Get("Cache-Control"))
		if refused.Response.StatusCode == http.StatusUnauthorized {
			require.Equal(t, `Basic realm="source"`, refused.Response.Header.Get("WWW-Authenticate"))
		}
		return refused.ErrorCode
	}
	set := oauth2.SetAuthURLParam
	for name, c := range map[string]struct {
		app    *oauth2.Config
		code   string
		option oauth2.AuthCodeOption
		want   string
	}{
		"another code":           {app, code + "x", oauth2.VerifierOption(verifier), "invalid_grant"},
		"no code":                {app, "", oauth2.VerifierOption(verifier), "invalid_request"},
		"another redirect_uri":   {app, code, set("redirect_uri", "http://127.0.0.1:9/other"), "invalid_grant"},
		"no redirect_uri":        {app, code, set("redirect_uri", ""), "invalid_request"},
		"another client":         {n.client("second", "another", appRedirect), code, oauth2.VerifierOption(verifier), "invalid_grant"},
		"an unknown client":      {n.client("nobody", "x", appRedirect), code, oauth2.VerifierOption(verifier), "invalid_client"},
		"a wrong secret":         {n.client("app", "wrong", appRedirect), code, oauth2.VerifierOption(verifier), "invalid_client"},
		"no secret":              {n.client("app", "", appRedirect), code, oauth2.VerifierOption(verifier), "invalid_client"},
		"another grant_type":     {app, code, set("grant_type", "password"), "unsupported_grant_type"},
		"no grant_type":          {app, code, set("grant_type", ""), "invalid_request"},
		"no verifier":            {app, code, set("x", "y"), "invalid_grant"},
		"another verifier":       {app, code, oauth2.VerifierOption(oauth2.GenerateVerifier()), "invalid_grant"},
		"the challenge itself":   {app, code, set("code_verifier", oauth2.S256ChallengeFromVerifier(verifier)), "invalid_grant"},
		"a verifier out of turn": {app, plain, oauth2.VerifierOption(verifier), "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.app.Exchange(ctx, c.code, c.option)
			assert.Equal(t, c.want, refusal(err))
		})
	}
	// None of that used the code up.
	token, err := app.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	require.NoError(t, err)

	refresh := func(app *oauth2.Config, form url.Values) (int, map[string]any) {
		t.Helper()
		r, err := http.NewRequest("POST", n.root+"/auth/token", strings.NewReader(form.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(app.ClientSecret))
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		answer := map[string]any{}
		require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
		return response.StatusCode, answer
	}
	good := func() url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}}
	}
	for name, c := range map[string]struct {
		app    *oauth2.Config
		change func(url.Values)
		want   string
	}{
		"no refresh token":         {app, func(f url.Values) { f.Del("refresh_token") }, "invalid_request"},
		"another refresh token":    {app, func(f url.Values) { f.Set("refresh_token", "x") }, "invalid_grant"},
		"an access token":          {app, func(f url.Values) { f.Set("refresh_token", token.AccessToken) }, "invalid_grant"},
		"two refresh tokens":       {app, func(f url.Values) { f.Add("refresh_token", "x") }, "invalid_request"},
		"another client's":         {n.client("second", "another", ""), func(url.Values) {}, "invalid_grant"},
		"a wider scope":            {app, func(f url.Values) { f.Set("scope", "user/*.read") }, "invalid_scope"},
		"no grant_type at refresh": {app, func(f url.Values) { f.Del("grant_type") }, "invalid_request"},
		"grant_type of a code":     {app, func(f url.Values) { f.Set("grant_type", "authorization_code") }, "unsupported_grant_type"},
	} {
		t.Run(name, func(t *testing.T) {
			form := good()
			c.change(form)
			status, answer := refresh(c.app, form)
			assert.Equal(t, c.want, answer["error"], "%v", answer)
			assert.GreaterOrEqual(t, status, 400)
		})
	}
	form := good()
	form.Set("scope", "patient/Condition.read")
	status, answer := refresh(app, form)
	require.Equal(t, http.StatusOK, status, "%v", answer)
	assert.Equal(t, "patient/Condition.read", answer["scope"])
	narrow := answer["access_token"].(string)
	status, _, _ = n.call(t, "GET", "/Patient/example", narrow, "")
	assert.Equal(t, http.StatusForbidden, status)
	status, _, _ = n.call(t, "GET", "/Condition/c-example", narrow, "")
	assert.Equal(t, http.StatusOK, status)
	// The next one may have all of it again, the old one ends all.
	status, answer = refresh(app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {answer["refresh_token"].(string)}})
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "patient/*.read offline_access", answer["scope"])
	status, answer2 := refresh(app, good())
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_grant", answer2["error"])
	status, _, _ = n.call(t, "GET", "/Patient/example", answer["access_token"].(string), "")
	assert.Equal(t, http.StatusUnauthorized, status)
}

func TestACodeIsGoodOnceAndForAMinute(t *testing.T) {
	n := newSignInNode(t)
	ctx := context.Background()
	app := n.app("patient/*.read", "offline_access")
	code := func() string {
		return newVisitor(t).decide(app.AuthCodeURL("s"), "example", "approve").Query().Get("code")
	}
	late, early := code(), code()
	n.clock.Add(59 * time.Second)
	token, err := app.Exchange(ctx, early)
	require.NoError(t, err)
	n.clock.Add(time.Second)
	_, err = app.Exchange(ctx, late)
	assert.ErrorContains(t, err, "invalid_grant")

	status, _, _ := n.call(t, "GET", "/Patient/example", token.AccessToken, "")
	require.Equal(t, http.StatusOK, status)
	_, err = app.Exchange(ctx, early)
	assert.ErrorContains(t, err, "used before")
	status, _, _ = n.call(t, "GET", "/Patient/example", token.AccessToken, "")
	assert.Equal(t, http.StatusUnauthorized, status)
	_, err = app.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	assert.ErrorContains(t, err, "invalid_grant")
}
