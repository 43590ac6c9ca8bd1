package steps

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/steps/judge"
)

// atServer is a world whose source EHR is this handler.
func atServer(t *testing.T, h http.HandlerFunc) (*world, *node) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	w := &world{env: &Env{Patient: "4711", OtherPatient: "4712"}, subject: "SRC-42", rec: judge.NewRecord(judge.Options{}), http: server.Client(), news: map[string]any{}, flows: map[string]*passage{}}
	return w, &node{name: "source", fhir: server.URL, admin: "admin"}
}

func TestAWriteIsSentAgainWithItsVersion(t *testing.T) {
	for name, c := range map[string]struct {
		status    int
		tag, body string
		match     string
	}{
		"ETag, 412":      {http.StatusPreconditionFailed, `W/"3"`, `{"resourceType":"Consent","id":"1"}`, `W/"3"`},
		"versionId, 428": {http.StatusPreconditionRequired, "", `{"resourceType":"Consent","id":"1","meta":{"versionId":"4"}}`, `W/"4"`},
		"no version":     {http.StatusPreconditionFailed, "", `{"resourceType":"Consent","id":"1"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			match := ""
			w, n := atServer(t, func(out http.ResponseWriter, q *http.Request) {
				switch {
				case q.Method == http.MethodGet:
					if c.tag != "" {
						out.Header().Set("ETag", c.tag)
					}
					_, _ = io.WriteString(out, c.body)
				case q.Header.Get("If-Match") == "":
					out.WriteHeader(c.status)
				default:
					match = q.Header.Get("If-Match")
				}
			})
			a, err := w.ask(context.Background(), call{from: "the person", to: n, method: http.MethodPut, url: n.fhir + "/Consent/1", header: fhirJSON(), body: []byte(`{}`)})
			require.NoError(t, err)
			assert.Equal(t, c.match, match)
			assert.Equal(t, c.match == "", a.Status == c.status)
		})
	}
}

func TestARefusalTellsNothingOfTheOtherPatient(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		lawful bool
	}{
		"the id that was asked for": {`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"forbidden","diagnostics":"Patient/4712 is not yours"}]}`, true},
		"a name of both":            {`{"resourceType":"OperationOutcome","issue":[{"severity":"error","diagnostics":"Anna may not"}]}`, true},
		"no body":                   {"", true},
		"the record":                {`{"resourceType":"Observation","id":"9","subject":{"reference":"Patient/4712"}}`, false},
		"the record within":         {`{"error":"forbidden","what":[{"resourceType":"Observation","subject":{"reference":"Patient/4712"}}]}`, false},
		"contained":                 {`{"resourceType":"OperationOutcome","contained":[{"resourceType":"Patient","id":"4712"}],"issue":[]}`, false},
		"the name":                  {`{"resourceType":"OperationOutcome","issue":[{"severity":"error","diagnostics":"Mustermann is not yours"}]}`, false},
		"the name, escaped":         {`{"resourceType":"OperationOutcome","issue":[{"severity":"error","diagnostics":"Zuma/ Straße 1\/ is far"}]}`, false},
		"the number, on a page":     {`<p>No access to SSN&#45;1234</p>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, n := atServer(t, func(out http.ResponseWriter, q *http.Request) {
				switch {
				case q.Header.Get("Authorization") != "Bearer admin":
					out.WriteHeader(http.StatusForbidden)
					_, _ = io.WriteString(out, c.body)
				case q.URL.Path == "/Patient/4711":
					_, _ = io.WriteString(out, `{"resourceType":"Patient","id":"4711","name":[{"family":"Doe","given":["Anna"]}]}`)
				default:
					_, _ = io.WriteString(out, `{"resourceType":"Patient","id":"4712","name":[{"family":"Mustermann","given":["Anna"]}],"identifier":[{"value":"SSN-1234"},{"value":"4712"}],"address":[{"line":["Straße 1/"]}]}`)
				}
			})
			require.NoError(t, w.attempt(context.Background(), call{kind: aRead, from: "the application", bearer: "x", to: n, method: http.MethodGet, url: n.fhir + "/Patient/4712"}))
			err := w.nothingOfOther(context.Background())
			assert.Equal(t, c.lawful, err == nil, "%v", err)
		})
	}
}

func TestOnlyTheServersRestCounts(t *testing.T) {
	rest := func(mode, uri string) map[string]any {
		return map[string]any{"mode": mode, "resource": []any{map[string]any{"type": uri}}, "security": map[string]any{"extension": []any{map[string]any{"url": oauthURIs,
			"extension": []any{map[string]any{"url": "token", "valueUri": uri}}}}}}
	}
	metadata := map[string]any{"rest": []any{rest("client", "theirs"), rest("server", "ours")}}
	assert.Equal(t, "ours", TokenEndpoint(metadata))
	assert.Equal(t, []string{"ours"}, listed(metadata))
}

func TestAPathToAnEmptyParameterNamesIt(t *testing.T) {
	const sent = `{"resourceType":"Parameters","parameter":[{"name":"duration"},{"name":"jwt","valueString":""}]}`
	for _, c := range []struct {
		sent, path string
		good       bool
	}{
		{sent, "Parameters.parameter[1].valueString", true},
		{sent, "Parameters.parameter[1].value.ofType(string)", true},
		{sent, "/f:Parameters/f:parameter[2]/f:valueString", true},
		{sent, "Parameters.parameter", true},
		{sent, "Parameters.parameter[0]", false},
		{sent, "Parameters.id", false},
		{`{"parameter":[{"name":"jwt","valueString":"a.b.c"}]}`, "Parameters.parameter[0]", false},
		{"no JSON", "Parameters.parameter[0]", false},
	} {
		a := &answer{Response: &judge.Response{Body: []byte(`{"resourceType":"OperationOutcome","issue":[{"expression":["` + c.path + `"]}]}`)}, call: call{body: []byte(c.sent)}}
		assert.Equal(t, c.good, pointsAtEmpty(a, "jwt"), c.path)
	}
}

func TestATokenInAQueryIsEscaped(t *testing.T) {
	w := &world{env: &Env{}, flow: &passage{token: &tokenAnswer{access: "a+b&c#d%"}}}
	text, err := w.expand(context.Background(), "Patient?access_token={access token}")
	require.NoError(t, err)
	assert.Equal(t, "Patient?access_token=a%2Bb%26c%23d%25", text)
	text, err = w.expand(context.Background(), "{access token}")
	require.NoError(t, err)
	assert.Equal(t, "a+b&c#d%", text)
}

func TestAResourceOnTwoPagesIsPartedOnce(t *testing.T) {
	var all []*fhir.Object
	for _, text := range []string{
		`{"resourceType":"Observation","id":"1","meta":{"lastUpdated":"2017-09-08T09:00:00Z"}}`,
		`{"resourceType":"Observation","id":"2","meta":{"lastUpdated":"2017-09-08T09:01:00Z"}}`,
		`{"resourceType":"Observation","id":"2","meta":{"lastUpdated":"2017-09-08T09:01:00Z"}}`,
	} {
		o, err := fhir.ParseJSON([]byte(text))
		require.NoError(t, err)
		all = append(all, o)
	}
	_, newer, ok := part(all)
	assert.True(t, ok)
	assert.Equal(t, []string{"Observation/2"}, newer)
}

func TestAnUnescapedStateIsBlamedOnTheState(t *testing.T) {
	const home = "http://app.example/callback"
	for place, want := range map[string]string{
		home + "?code=1&state=x&code=y&error=z#fragment":           "SRC-71",
		home + "?code=1&state=x%26code%3Dy%26error%3Dz%23fragment": "",
		home + "?error=server_error&state=x%26code":                "SRC-73",
		home + "?code=1&state=x":                                   "SRC-71",
	} {
		w := &world{rec: judge.NewRecord(judge.Options{}), env: &Env{}}
		f := &passage{signIn: &signIn{redirect: home, state: "x&code=y&error=z#fragment"}}
		a := &answer{Response: &judge.Response{Status: http.StatusFound, Header: http.Header{"Location": {place}}}, call: call{kind: aSignIn, flow: f}}
		err := w.signInGranted(a)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		var failure *judge.Failure
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, want, failure.ID, place)
	}
}
