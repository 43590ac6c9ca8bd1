package mockehr

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
)

func goodRequest() url.Values {
	return url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {appRedirect},
		"scope": {"launch/patient patient/*.read"}, "state": {"x y"}}
}

func TestRefusedAuthorizationRequests(t *testing.T) {
	n := newSignInNode(t)
	set := func(name string, values ...string) func(url.Values) {
		return func(f url.Values) {
			f.Del(name)
			if len(values) > 0 {
				f[name] = values
			}
		}
	}
	public := func(challenge, method string) func(url.Values) {
		return func(f url.Values) {
			set("client_id", "public")(f)
			f.Set("code_challenge", challenge)
			f.Set("code_challenge_method", method)
		}
	}
	const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	for name, c := range map[string]struct {
		change func(url.Values)
		want   string // the error sent back; "" = a page says it
	}{
		"no client_id":               {set("client_id"), ""},
		"an empty client_id":         {set("client_id", ""), ""},
		"an unknown client_id":       {set("client_id", "nobody"), ""},
		"two client_ids":             {set("client_id", "app", "public"), ""},
		"no redirect_uri":            {set("redirect_uri"), ""},
		"another redirect_uri":       {set("redirect_uri", "http://evil.example/back?app=1"), ""},
		"two redirect_uris":          {set("redirect_uri", appRedirect, "http://evil.example/"), ""},
		"another client's":           {set("redirect_uri", nativeRedirect), ""},
		"a longer path":              {set("redirect_uri", "http://127.0.0.1:9/back/x?app=1"), ""},
		"a dot segment":              {set("redirect_uri", "http://127.0.0.1:9/x/../back?app=1"), ""},
		"another case":               {set("redirect_uri", "http://127.0.0.1:9/Back?app=1"), ""},
		"an upper-case scheme":       {set("redirect_uri", "HTTP://127.0.0.1:9/back?app=1"), ""},
		"another port":               {set("redirect_uri", "http://127.0.0.1:10/back?app=1"), ""},
		"more query":                 {set("redirect_uri", appRedirect+"&x=y"), ""},
		"a fragment":                 {set("redirect_uri", appRedirect+"#x"), ""},
		"a user in it":               {set("redirect_uri", "http://127.0.0.1:9@evil.example/back?app=1"), ""},
		"a space behind it":          {set("redirect_uri", appRedirect+" "), ""},
		"no response_type":           {set("response_type"), "invalid_request"},
		"response_type token":        {set("response_type", "token"), "unsupported_response_type"},
		"response_type code id":      {set("response_type", "code id_token"), "unsupported_response_type"},
		"two response_types":         {set("response_type", "code", "code"), "invalid_request"},
		"no scope":                   {set("scope"), "invalid_scope"},
		"a blank scope":              {set("scope", "  "), "invalid_scope"},
		"no scope that is known":     {set("scope", "openid patient/Nothing.read"), "invalid_scope"},
		"nothing but writing":        {set("scope", "patient/*.write"), "invalid_scope"},
		"no state":                   {set("state"), "invalid_request"},
		"two states":                 {set("state", "a", "b"), "invalid_request"},
		"another server":             {set("aud", "http://evil.example/r3"), "invalid_request"},
		"public, without PKCE":       {set("client_id", "public"), "invalid_request"},
		"public, plain":              {public(challenge, "plain"), "invalid_request"},
		"public, no method":          {public(challenge, ""), "invalid_request"},
		"public, no challenge":       {public("", "S256"), "invalid_request"},
		"public, short challenge":    {public("abc", "S256"), "invalid_request"},
		"public, no base64url":       {public(strings.Repeat("+", 43), "S256"), "invalid_request"},
		"confidential, plain":        {set("code_challenge", challenge), "invalid_request"},
		"confidential, two":          {set("code_challenge", challenge, challenge), "invalid_request"},
		"an error text that is odd ": {set("scope", "\"\\\r\n"), "invalid_scope"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(name+" by "+method, func(t *testing.T) {
				form := goodRequest()
				c.change(form)
				got := n.request(t, method, form)
				if c.want == "" {
					assert.Equal(t, http.StatusBadRequest, got.status)
					assert.Empty(t, got.header.Get("Location"))
					assert.Contains(t, got.body, `role="alert"`)
					return
				}
				require.Equal(t, http.StatusFound, got.status, got.body)
				location := got.header.Get("Location")
				assert.True(t, strings.HasPrefix(location, appRedirect+"&"), location)
				back, err := url.Parse(location)
				require.NoError(t, err)
				assert.Equal(t, c.want, back.Query().Get("error"))
				assert.NotContains(t, back.Query(), "code")
				assert.NotContains(t, back.Query().Get("error_description"), `"`)
				if len(form["state"]) == 1 {
					assert.Equal(t, form.Get("state"), back.Query().Get("state"))
				} else {
					assert.NotContains(t, back.Query(), "state")
				}
			})
		}
	}
	for name, change := range map[string]func(url.Values){
		"as it is":                       func(url.Values) {},
		"with aud":                       set("aud", n.root+"/r3/"),
		"with what is not known":         set("prompt", "login"),
		"with scopes that are not known": set("scope", "openid patient/*.*"),
		"public with PKCE":               public(challenge, "S256"),
		"confidential with PKCE": func(f url.Values) {
			f.Set("code_challenge", challenge)
			f.Set("code_challenge_method", "S256")
		},
	} {
		t.Run("taken "+name, func(t *testing.T) {
			form := goodRequest()
			change(form)
			got := n.request(t, http.MethodGet, form)
			assert.Equal(t, http.StatusOK, got.status, got.header.Get("Location"))
			assert.Contains(t, got.body, "Password")
		})
	}
}

// request sends an authorization request.
func (n *signInNode) request(t testing.TB, method string, form url.Values) shown {
	t.Helper()
	link, body := n.root+"/auth/authorize", ""
	if method == http.MethodGet {
		link += "?" + form.Encode()
	} else {
		body = form.Encode()
	}
	r, err := http.NewRequest(method, link, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return newVisitor(t).do(r)
}

func TestEachDecisionOfASignInCanBeOverridden(t *testing.T) {
	pass := func(context.Context, check.Inputs, any) (any, bool) { return nil, true }
	for id, change := range map[string]func(url.Values){
		"SRC-70": func(f url.Values) { f.Del("response_type") },
		"SRC-78": func(f url.Values) { f.Set("client_id", "public") },
		"SRC-79": func(f url.Values) { f.Set("redirect_uri", appRedirect+"&x=y") },
	} {
		t.Run(id, func(t *testing.T) {
			n := newSignInNode(t)
			form := goodRequest()
			change(form)
			require.NotEqual(t, http.StatusOK, n.request(t, "GET", form).status)
			n.checks.Override(id, pass)
			require.Equal(t, http.StatusOK, n.request(t, "GET", form).status)
			n.checks.Override(id, func(context.Context, check.Inputs, any) (any, bool) { return "not today", true })
			got := n.request(t, "GET", goodRequest())
			require.Contains(t, got.body+strings.ReplaceAll(got.header.Get("Location"), "%20", " "), "not today")
		})
	}
	t.Run("SRC-71", func(t *testing.T) {
		n := newSignInNode(t)
		n.checks.Override("SRC-71", func(_ context.Context, in check.Inputs, v any) (any, bool) { return v.(string)[:3], true })
		back := newVisitor(t).decide(n.app("patient/*.read").AuthCodeURL("abcdef"), "example", "approve")
		assert.Equal(t, "abc", back.Query().Get("state"))
	})
	t.Run("SRC-72", func(t *testing.T) {
		n := newSignInNode(t)
		n.checks.Override("SRC-72", func(context.Context, check.Inputs, any) (any, bool) { return "server_error", true })
		back := newVisitor(t).decide(n.app("patient/*.read").AuthCodeURL("s"), "example", "deny")
		assert.Equal(t, "server_error", back.Query().Get("error"))
	})
	t.Run("SRC-73", func(t *testing.T) {
		n := newSignInNode(t)
		n.checks.Override("SRC-73", func(context.Context, check.Inputs, any) (any, bool) {
			return map[string]any{"scope": "user/*.read", "patient": "other", "expires_in": 5}, true
		})
		token := n.signedIn(t, n.app("patient/*.read"), "example")
		assert.Equal(t, "other", token.Extra("patient"))
		assert.Equal(t, "user/*.read", token.Extra("scope"))
	})
	t.Run("SRC-74 takes a code twice", func(t *testing.T) {
		n := newSignInNode(t)
		n.checks.Override("SRC-74", pass)
		app := n.app("patient/*.read")
		code := newVisitor(t).decide(app.AuthCodeURL("s"), "example", "approve").Query().Get("code")
		for range 2 {
			_, err := app.Exchange(context.Background(), code)
			require.NoError(t, err)
		}
		_, err := app.Exchange(context.Background(), "another") // there is nothing to give
		require.ErrorContains(t, err, "invalid_grant")
	})
	t.Run("SRC-77", func(t *testing.T) {
		n := newSignInNode(t)
		app := n.app("patient/*.read", "offline_access")
		token := n.signedIn(t, app, "example")
		require.Equal(t, http.StatusOK, n.revokeToken(t, app, token.AccessToken))
		status, _, _ := n.call(t, "GET", "/Patient/example", token.AccessToken, "")
		require.Equal(t, http.StatusUnauthorized, status)
		n.checks.Override("SRC-77", pass)
		status, _, _ = n.call(t, "GET", "/Patient/example", token.AccessToken, "")
		require.Equal(t, http.StatusOK, status)
	})
}
