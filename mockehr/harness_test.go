package mockehr

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
)

const (
	adminBearer    = "admin-bearer"
	consumerBearer = "consumer-bearer"
)

// node is a node as it runs, with a client of its own.
type node struct {
	*Server
	t      testing.TB
	client *http.Client
	bearer string // of requests; "" for none
}

// key is made once for all nodes; a new one takes longer than most tests.
var key = sync.OnceValues(oauth.NewKey)

// newNode starts a node on a free port, with an empty store.
func newNode(t testing.TB, change ...func(*Config)) *node {
	t.Helper()
	private, err := key()
	require.NoError(t, err)
	cfg := Config{Name: "test", Consumer: consumerBearer, Admin: adminBearer, Dir: t.TempDir(), Key: string(private.PEM())}
	for _, c := range change {
		c(&cfg)
	}
	var s *Server
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		cfg.Listen = listener.Addr().String()
		cfg.Root = "http://" + cfg.Listen
		require.NoError(t, listener.Close())
		s, err = New(cfg, nil)
		require.NoError(t, err)
		if err := s.Start(context.Background()); err == nil {
			break
		}
		require.NoError(t, s.Close(context.Background())) // somebody else took the port
	}
	n := &node{Server: s, t: t, bearer: adminBearer, client: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
	t.Cleanup(n.close)
	return n
}

func (n *node) close() {
	n.client.CloseIdleConnections()
	require.NoError(n.t, n.Close(context.Background()))
}

// as is the node with another bearer.
func (n *node) as(bearer string) *node {
	other := *n
	other.bearer = bearer
	return &other
}

// reply is an answer, read to its end.
type reply struct {
	*http.Response
	body string
}

// do sends a request to a path below the root, or a whole URL; header is name,
// value, name, value.
func (n *node) do(method, path, body string, header ...string) reply {
	n.t.Helper()
	return n.send(method, path, strings.NewReader(body), header...)
}

func (n *node) send(method, path string, body io.Reader, header ...string) reply {
	n.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = n.cfg.Root + path
	}
	r, err := http.NewRequest(method, path, body)
	require.NoError(n.t, err)
	if n.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+n.bearer)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := n.client.Do(r)
	require.NoError(n.t, err, "%s %s", method, path)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(n.t, err)
	return reply{res, string(text)}
}

const (
	typeJSON = "application/fhir+json"
	typeXML  = "application/fhir+xml"
	typeForm = "application/x-www-form-urlencoded"
)

func (n *node) get(path string, header ...string) reply {
	return n.do("GET", "/r3"+path, "", header...)
}

func (n *node) post(path, body string, header ...string) reply {
	return n.do("POST", "/r3"+path, body, append([]string{"Content-Type", typeJSON}, header...)...)
}

func (n *node) put(path, body string, header ...string) reply {
	return n.do("PUT", "/r3"+path, body, append([]string{"Content-Type", typeJSON}, header...)...)
}

// load stores resources by PUT.
func (n *node) load(resources ...string) {
	n.t.Helper()
	for _, text := range resources {
		o := parsed(n.t, text)
		a := n.put("/"+o.Type()+"/"+o.ID(), text)
		require.Contains(n.t, []int{200, 201}, a.StatusCode, a.body)
	}
}

func parsed(t testing.TB, text string) *fhir.Object {
	t.Helper()
	o, err := fhir.ParseJSON([]byte(text))
	require.NoError(t, err, text)
	return o
}

// resource is the resource of an answer, by its Content-Type; it must be valid.
func (a reply) resource(t testing.TB) *fhir.Object {
	t.Helper()
	parse := fhir.ParseJSON
	if strings.Contains(a.Header.Get("Content-Type"), "xml") {
		parse = fhir.ParseXML
	}
	o, err := parse([]byte(a.body))
	require.NoError(t, err, "%d %s", a.StatusCode, a.body)
	for _, issue := range fhir.Validate(o) {
		require.NotEqual(t, "error", issue.Severity, "%v in %s", issue, a.body)
	}
	return o
}

// outcome is the text of an answer's OperationOutcome, which must have an error.
func (a reply) outcome(t testing.TB) string {
	t.Helper()
	o := a.resource(t)
	require.Equal(t, "OperationOutcome", o.Type(), a.body)
	var texts []string
	for _, issue := range o.Objects("issue") {
		require.Contains(t, []string{"error", "fatal"}, issue.Text("severity"), a.body)
		texts = append(texts, issue.Text("diagnostics")+" "+issue.Text("expression"))
	}
	require.NotEmpty(t, texts)
	return strings.Join(texts, "\n")
}

// oauthError is the code of an answer of the token endpoint.
func (a reply) oauthError(t testing.TB) string {
	t.Helper()
	var e struct {
		Error string `json:"error"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &e), a.body)
	return e.Error
}

// ids are those of a searchset's entries, with the type of included ones.
func (a reply) ids(t testing.TB) []string {
	t.Helper()
	require.Equal(t, 200, a.StatusCode, a.body)
	ids := []string{}
	for _, entry := range a.resource(t).Objects("entry") {
		o := entry.Child("resource")
		id := o.ID()
		if entry.Text("search", "mode") != "match" {
			id = o.Type() + "/" + id
		}
		ids = append(ids, id)
	}
	return ids
}

func (a reply) link(t testing.TB, relation string) string {
	t.Helper()
	for _, l := range a.resource(t).Objects("link") {
		if l.Text("relation") == relation {
			return l.Text("url")
		}
	}
	return ""
}

func form(values ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		v.Add(values[i], values[i+1])
	}
	return v.Encode()
}

const patientExample = `{"resourceType":"Patient","id":"example","name":[{"family":"Chalmers","given":["Peter"]}],"birthDate":"1974-12-25"}`

func consentFor(patient, scope string) string {
	return fmt.Sprintf(`{"resourceType":"Consent","status":"active","patient":{"reference":"Patient/%s"},
		"policyRule":"http://hl7.org/fhir/ConsentDefinition/simple-oauth",
		"except":[{"type":"permit","action":[{"coding":[{"system":"http://hl7.org/fhir/consentaction","code":"access"}]}],
		"class":[{"system":"http://smarthealthit.org/fhir/scopes","code":"%s"}]}]}`, patient, scope)
}

// jwtOf is a JWT that the node issued.
func (n *node) jwtOf() string {
	n.t.Helper()
	a := n.get("/$jwt?source=http://source.example/r3")
	require.Equal(n.t, 200, a.StatusCode, a.body)
	return a.body
}

// trustItself lets the node take its own JWTs, so that it plays both sides.
func (n *node) trustItself() {
	n.t.Helper()
	settings := n.settings.get()
	require.NoError(n.t, json.Unmarshal([]byte(`{"trust":[{"keys":`+n.do("GET", "/auth/auth_key", "").body+`}]}`), &settings))
	require.NoError(n.t, n.apply(settings))
}

// withToken is the node with an access token of protocol 1.4 for a patient.
func (n *node) withToken(patient, scope string) *node {
	n.t.Helper()
	n.trustItself()
	made := n.post("/Consent", consentFor(patient, scope))
	require.Equal(n.t, 201, made.StatusCode, made.body)
	jwt := n.jwtOf()
	authorized := n.post("/Consent/"+made.resource(n.t).ID()+"/$authorize", `{"resourceType":"Parameters","parameter":[
		{"name":"duration","valueDuration":{"value":1,"system":"http://unitsofmeasure.org","code":"d"}},{"name":"jwt","valueString":"`+jwt+`"}]}`)
	require.Equal(n.t, 200, authorized.StatusCode, authorized.body)
	id := ""
	for _, p := range authorized.resource(n.t).Objects("parameter") {
		if p.Text("name") == "id" {
			id = p.Text("valueId")
		}
	}
	a := n.do("POST", "/auth/token", form("grant_type", "client_credentials", "scope", id), "Content-Type", typeForm, "Authorization", "Bearer "+jwt)
	require.Equal(n.t, 200, a.StatusCode, a.body)
	var token struct {
		Access string `json:"access_token"`
	}
	require.NoError(n.t, json.Unmarshal([]byte(a.body), &token))
	return n.as(token.Access)
}
