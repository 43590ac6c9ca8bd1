package mockehr

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"example.org/ccde/mockehr/control"
)

// revokeToken calls the revocation endpoint as a client, and gives the status.
func (n *signInNode) revokeToken(t testing.TB, app *oauth2.Config, token string) int {
	t.Helper()
	form := url.Values{"token": {token}}
	if app.ClientSecret == "" {
		form.Set("client_id", app.ClientID)
	}
	r, err := http.NewRequest("POST", n.root+"/auth/revoke", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if app.ClientSecret != "" {
		r.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(app.ClientSecret))
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// over tells that neither token of a sign-in gives anything.
func (n *signInNode) over(t testing.TB, app *oauth2.Config, token *oauth2.Token) {
	t.Helper()
	status, _, header := n.call(t, "GET", "/Patient/example", token.AccessToken, "")
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Contains(t, header.Get("WWW-Authenticate"), "Bearer")
	_, err := app.TokenSource(context.Background(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	assert.ErrorContains(t, err, "invalid_grant")
}

func TestAClientRevokesAToken(t *testing.T) {
	n := newSignInNode(t)
	for name, app := range map[string]*oauth2.Config{
		"confidential": n.app("patient/*.read", "offline_access"),
		"public":       n.client("public", "", nativeRedirect, "patient/*.read", "offline_access"),
	} {
		for kind, of := range map[string]func(*oauth2.Token) string{
			"access token":  func(t *oauth2.Token) string { return t.AccessToken },
			"refresh token": func(t *oauth2.Token) string { return t.RefreshToken },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				token, another := n.signedIn(t, app, "example"), n.signedIn(t, app, "example")
				assert.Equal(t, http.StatusBadRequest, n.revokeToken(t, n.client("second", "another", ""), of(token)))
				assert.Equal(t, http.StatusUnauthorized, n.revokeToken(t, n.client("app", "wrong", ""), of(token)))
				status, _, _ := n.call(t, "GET", "/Patient/example", token.AccessToken, "")
				require.Equal(t, http.StatusOK, status)
				assert.Equal(t, http.StatusOK, n.revokeToken(t, app, of(token)))
				assert.Equal(t, http.StatusOK, n.revokeToken(t, app, of(token)), "again: the same")
				n.over(t, app, token)
				status, _, _ = n.call(t, "GET", "/Patient/example", another.AccessToken, "")
				assert.Equal(t, http.StatusOK, status, "another sign-in stays")
			})
		}
	}
	assert.Equal(t, http.StatusOK, n.revokeToken(t, n.app(), "nothing"))
	assert.Equal(t, http.StatusBadRequest, n.revokeToken(t, n.app(), ""))
}

func TestAPersonRevokesAGrant(t *testing.T) {
	n := newSignInNode(t)
	app := n.app("patient/*.read", "offline_access")
	token, other := n.signedIn(t, app, "example"), n.signedIn(t, app, "other")
	v := newVisitor(t)
	page := v.get(n.root + "/auth/grants")
	require.Equal(t, http.StatusOK, page.status)
	wrong := v.send(page, "password", "user", "person", "password", "x")
	assert.Equal(t, http.StatusForbidden, wrong.status)
	page = v.send(wrong, "password", "user", "person", "password", "password")
	require.Equal(t, http.StatusOK, page.status)
	assert.Contains(t, page.body, "Heart &lt;Watch&gt;")
	assert.Contains(t, page.body, "Peter James Chalmers")
	assert.Contains(t, page.body, "Eve &lt;b&gt;Other&lt;/b&gt;")
	assert.Contains(t, page.body, "9 September 2017, 10:00 UTC")
	grant, err := n.oauth.Token(context.Background(), token.AccessToken)
	require.NoError(t, err)

	// Another person sees and ends nothing of it.
	stranger := newVisitor(t)
	theirs := stranger.send(stranger.get(n.root+"/auth/grants"), "password", "user", "anybody", "password", "password")
	assert.Contains(t, theirs.body, "No application has access")
	action, values := theirs.form(t, "Sign out")
	values.Set("grant", grant.ID)
	r, err := http.NewRequest("POST", strings.Replace(action, "sign-out", "revoke", 1), strings.NewReader(values.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, http.StatusUnprocessableEntity, stranger.do(r).status)
	status, _, _ := n.call(t, "GET", "/Patient/example", token.AccessToken, "")
	require.Equal(t, http.StatusOK, status)

	page = v.send(page, grant.ID)
	require.Equal(t, http.StatusOK, page.status)
	assert.Contains(t, page.body, "The access has ended.")
	assert.NotContains(t, page.body, "Peter James Chalmers")
	n.over(t, app, token)
	status, _, _ = n.call(t, "GET", "/Patient/other", other.AccessToken, "")
	assert.Equal(t, http.StatusOK, status)
	v.send(page, "Sign out")
	assert.Contains(t, v.get(n.root+"/auth/grants").body, "Password")
}

func TestAGrantWithoutRefreshTokenEndsWithItsAccessToken(t *testing.T) {
	n := newSignInNode(t)
	token := n.signedIn(t, n.app("patient/*.read"), "example")
	require.Empty(t, token.RefreshToken)
	n.clock.Add(59 * time.Minute)
	status, _, _ := n.call(t, "GET", "/Patient/example", token.AccessToken, "")
	assert.Equal(t, http.StatusOK, status)
	n.clock.Add(time.Minute)
	status, _, _ = n.call(t, "GET", "/Patient/example", token.AccessToken, "")
	assert.Equal(t, http.StatusUnauthorized, status)
	v := newVisitor(t)
	page := v.send(v.get(n.root+"/auth/grants"), "password", "user", "person", "password", "password")
	assert.Contains(t, page.body, "No application has access")
}

func TestAPersonWhoLostThePatientRefreshesNothing(t *testing.T) {
	n := newSignInNode(t)
	app := n.app("patient/*.read", "offline_access")
	token := n.signedIn(t, app, "example")
	settings := n.settings.get()
	settings.People = []control.Person{{User: "person", Password: "password", Patients: []string{"other"}}}
	require.NoError(t, n.apply(settings))
	_, err := app.TokenSource(context.Background(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	assert.ErrorContains(t, err, "invalid_grant")
}
