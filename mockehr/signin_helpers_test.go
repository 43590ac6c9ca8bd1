package mockehr

import (
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/fhir"
)

const (
	appRedirect    = "http://127.0.0.1:9/back?app=1"
	nativeRedirect = "com.example.app:/back"
)

// signInStart is the time that the node's clock is held at.
var signInStart = time.Date(2017, 9, 9, 10, 0, 0, 0, time.UTC)

// signInNode is a node with two people, three clients and three patients, whose
// root has a path prefix.
type signInNode struct {
	*Server
	root string
}

func newSignInNode(t testing.TB, change ...func(*control.Settings)) *signInNode {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	settings := control.Settings{
		Clients: []control.OAuthClient{
			{ID: "app", Secret: "s ecret+%/", Name: "Heart <Watch>", Redirects: []string{appRedirect, "http://127.0.0.1:9/other"}},
			{ID: "public", Name: "Pocket", Redirects: []string{nativeRedirect, appRedirect}},
			{ID: "second", Secret: "another", Redirects: []string{appRedirect}},
		},
		People: []control.Person{
			{User: "person", Password: "password", Patients: []string{"example", "other", "gone"}},
			{User: "anybody", Password: "password"},
		},
	}
	for _, c := range change {
		c(&settings)
	}
	require.NoError(t, settings.Validate())
	n := &signInNode{root: "http://" + listener.Addr().String() + "/ehr"}
	n.Server, err = New(Config{Name: "source", Root: n.root, Listen: "127.0.0.1:0",
		Consumer: consumerBearer, Admin: adminBearer, Settings: settings}, nil)
	require.NoError(t, err)
	n.clock.Hold()
	n.clock.Set(signInStart)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: n.Handler()}}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, n.Close(context.Background()))
	})
	n.load(t, `{"resourceType":"Patient","id":"example","name":[{"use":"official","family":"Chalmers","given":["Peter","James"]}],"gender":"male","birthDate":"1974-12-25"}`,
		`{"resourceType":"Patient","id":"other","name":[{"text":"Eve <b>Other</b>"}]}`,
		`{"resourceType":"Patient","id":"third"}`,
		`{"resourceType":"Condition","id":"c-example","clinicalStatus":"active","subject":{"reference":"Patient/example"}}`,
		`{"resourceType":"Condition","id":"c-other","clinicalStatus":"active","subject":{"reference":"Patient/other"}}`)
	return n
}

func (n *signInNode) load(t testing.TB, texts ...string) {
	t.Helper()
	var list []*fhir.Object
	for _, text := range texts {
		o, err := fhir.ParseJSON([]byte(text))
		require.NoError(t, err)
		list = append(list, o)
	}
	require.NoError(t, n.store.Load(context.Background(), list))
}

// client is an OAuth client of the node, as an application has it.
func (n *signInNode) client(id, secret, redirect string, scopes ...string) *oauth2.Config {
	style := oauth2.AuthStyleInHeader
	if secret == "" {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: id, ClientSecret: secret, RedirectURL: redirect, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: n.root + "/auth/authorize", TokenURL: n.root + "/auth/token", AuthStyle: style}}
}

func (n *signInNode) app(scopes ...string) *oauth2.Config {
	return n.client("app", "s ecret+%/", appRedirect, scopes...)
}

// visitor is a person's browser that runs no scripts.
type visitor struct {
	t      testing.TB
	client *http.Client
}

func newVisitor(t testing.TB) *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// shown is an answer that the visitor got.
type shown struct {
	status int
	header http.Header
	url    *url.URL
	body   string
}

func (v *visitor) do(r *http.Request) shown {
	v.t.Helper()
	response, err := v.client.Do(r)
	require.NoError(v.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	s := shown{response.StatusCode, response.Header, response.Request.URL, string(body)}
	if s.status == http.StatusSeeOther { // within the pages
		next, err := s.url.Parse(s.header.Get("Location"))
		require.NoError(v.t, err)
		require.Equal(v.t, s.url.Host, next.Host)
		return v.get(next.String())
	}
	return s
}

func (v *visitor) get(link string) shown {
	v.t.Helper()
	r, err := http.NewRequest(http.MethodGet, link, nil)
	require.NoError(v.t, err)
	return v.do(r)
}

var (
	formTag  = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)">(.*?)</form>`)
	inputTag = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// form is the form of a page whose text has a piece, with its hidden values.
func (s shown) form(t testing.TB, piece string) (action string, values url.Values) {
	t.Helper()
	for _, m := range formTag.FindAllStringSubmatch(s.body, -1) {
		if !strings.Contains(m[2], piece) {
			continue
		}
		values := url.Values{}
		for _, in := range inputTag.FindAllStringSubmatch(m[2], -1) {
			values.Set(html.UnescapeString(in[1]), html.UnescapeString(in[2]))
		}
		to, err := s.url.Parse(html.UnescapeString(m[1]))
		require.NoError(t, err)
		return to.String(), values
	}
	require.Fail(t, "no form", "with %q in\n%s", piece, s.body)
	return "", nil
}

// send fills in the form of a page that has a piece, and sends it.
func (v *visitor) send(on shown, piece string, answers ...string) shown {
	v.t.Helper()
	action, values := on.form(v.t, piece)
	for i := 0; i < len(answers); i += 2 {
		values.Set(answers[i], answers[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, action, strings.NewReader(values.Encode()))
	require.NoError(v.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(r)
}

// decide goes through all pages of an authorization request, to the decision.
func (v *visitor) decide(link, patient, decision string) *url.URL {
	v.t.Helper()
	page := v.get(link)
	require.Equal(v.t, http.StatusOK, page.status, page.body)
	page = v.send(page, "password", "user", "person", "password", "password")
	require.Equal(v.t, http.StatusOK, page.status, page.body)
	page = v.send(page, "patient", "patient", patient)
	require.Equal(v.t, http.StatusOK, page.status, page.body)
	page = v.send(page, "decision", "decision", decision)
	require.Equal(v.t, http.StatusFound, page.status, page.body)
	location, err := url.Parse(page.header.Get("Location"))
	require.NoError(v.t, err)
	return location
}

// signedIn is the token that a whole sign-in gives.
func (n *signInNode) signedIn(t testing.TB, app *oauth2.Config, patient string) *oauth2.Token {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	back := newVisitor(t).decide(app.AuthCodeURL("xyz", oauth2.S256ChallengeOption(verifier)), patient, "approve")
	require.Equal(t, "xyz", back.Query().Get("state"))
	token, err := app.Exchange(context.Background(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	return token
}

// call sends a request to the FHIR base with a bearer.
func (n *signInNode) call(t testing.TB, method, path, bearer, body string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, n.root+"/r3"+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+bearer)
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text), response.Header
}
