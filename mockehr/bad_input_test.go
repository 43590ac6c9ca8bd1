package mockehr

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// endpoint is one that takes a body.
type endpoint struct {
	method, path string
	speaks       family // how it tells errors
	forms        bool   // takes a form
	resources    bool   // takes resources
}

var endpoints = []endpoint{
	{"POST", "/r3/Patient", rest, false, true},
	{"PUT", "/r3/Patient/example", rest, false, true},
	{"PUT", "/r3/Patient?identifier=1", rest, false, true},
	{"POST", "/r3", rest, false, true},
	{"POST", "/r3/$validate", rest, false, true},
	{"POST", "/r3/Patient/$validate", rest, false, true},
	{"POST", "/r3/Consent", operation, false, true},
	{"POST", "/r3/Consent/c1/$authorize", operation, false, true},
	{"POST", "/r3/$connect", connect, true, true},
	{"POST", "/r3/$disconnect", operation, true, true},
	{"POST", "/r3/$jwt", operation, true, true},
	{"POST", "/r3/Patient/_search", rest, true, false},
	{"POST", "/auth/token", token, true, false},
	{"POST", "/auth/cavs", cavsCall, true, false},
}

// refused checks that an answer is an error in the endpoint's own words.
func (e endpoint) refused(t *testing.T, name string, a reply) {
	t.Helper()
	switch e.speaks {
	case token:
		assert.NotEmpty(t, a.oauthError(t), name)
	case cavsCall:
		var answer struct{ Status, Message string }
		require.NoError(t, json.Unmarshal([]byte(a.body), &answer), name)
		assert.Equal(t, "invalid", answer.Status, name)
		assert.NotEmpty(t, answer.Message, name)
	default:
		a.outcome(t)
	}
	for _, trace := range []string{"goroutine ", ".go:", "panic"} {
		assert.NotContains(t, a.body, trace, name)
	}
}

// malformedBodies are bodies that are none, by name: Content-Type, body and the
// statuses that fit.
func malformedBodies() map[string]struct {
	contentType, body string
	statuses          []int
} {
	type bad = struct {
		contentType, body string
		statuses          []int
	}
	bodies := map[string]bad{
		"empty JSON":              {typeJSON, "", []int{400}},
		"broken JSON":             {typeJSON, `{"resourceType":"Patient",`, []int{400}},
		"JSON with a tail":        {typeJSON, `{"resourceType":"Patient"} x`, []int{400}},
		"an array":                {typeJSON, `[]`, []int{400}},
		"a number":                {typeJSON, `1e999999`, []int{400}},
		"a name twice":            {typeJSON, `{"resourceType":"Patient","resourceType":"Patient"}`, []int{400}},
		"no type":                 {typeJSON, `{}`, []int{400}},
		"an unknown type":         {typeJSON, `{"resourceType":"Nonsense"}`, []int{400}},
		"another type":            {typeJSON, `{"resourceType":"Substance","code":{"text":"x"}}`, []int{400}},
		"JSON as broken UTF-8":    {typeJSON, "{\"resourceType\":\"Patient\",\"language\":\"\xff\xfe\"}", []int{400}},
		"JSON as UTF-16":          {typeJSON, "\xff\xfe{\x00}\x00", []int{400}},
		"10,000 levels of JSON":   {typeJSON, `{"resourceType":"Patient","extension":` + strings.Repeat(`[{"extension":`, 10_000) + "1" + strings.Repeat("}]", 10_000) + "}", []int{400}},
		"10,000 brackets":         {typeJSON, strings.Repeat("[", 10_000), []int{400}},
		"empty XML":               {typeXML, "", []int{400}},
		"broken XML":              {typeXML, `<Patient xmlns="http://hl7.org/fhir"><id value="1"`, []int{400}},
		"XML without namespace":   {typeXML, `<Patient/>`, []int{400}},
		"another type in XML":     {typeXML, `<Substance xmlns="http://hl7.org/fhir"><code><text value="x"/></code></Substance>`, []int{400}},
		"XML as broken UTF-8":     {typeXML, "<Patient xmlns=\"http://hl7.org/fhir\"><language value=\"\xff\xfe\"/></Patient>", []int{400}},
		"10,000 levels of XML":    {typeXML, `<Patient xmlns="http://hl7.org/fhir">` + strings.Repeat("<extension url='x'>", 10_000) + strings.Repeat("</extension>", 10_000) + "</Patient>", []int{400}},
		"an entity bomb":          {typeXML, `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><Patient xmlns="http://hl7.org/fhir"><language value="&c;"/></Patient>`, []int{400}},
		"an external entity":      {typeXML, `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><language value="&a;"/></Patient>`, []int{400}},
		"an unknown Content-Type": {"application/pdf", "%PDF", []int{415}},
		"a broken Content-Type":   {"fhir/json/xml; =", "{}", []int{415}},
		"another charset":         {typeJSON + "; charset=utf-16", "{}", []int{415}},
		"no Content-Type":         {"", "{}", []int{415}},
		"a broken form":           {typeForm, "source=%zz", []int{400, 415}},
		"a form of broken UTF-8":  {typeForm, "jwt=%ff%fe&scope=%ff&id=%ff&source=%ff&_count=%ff", []int{400, 415}},
	}
	return bodies
}

func TestMalformedBodies(t *testing.T) {
	for _, dialect := range []string{"strict", "test.fhir.org"} {
		t.Run(dialect, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Settings.Dialect = dialect })
			before := runtime.NumGoroutine() + 1 // for what Eventually waits in
			n.load(patientExample)
			for _, e := range endpoints {
				for what, bad := range malformedBodies() {
					if strings.HasSuffix(e.path, "$validate") && strings.HasPrefix(what, "another type") {
						continue // it is what is asked about
					}
					for _, accept := range []string{typeJSON, typeXML} {
						name := fmt.Sprintf("%s: %s %s, %s", what, e.method, e.path, accept)
						header := []string{"Content-Type", bad.contentType, "Accept", accept}
						if bad.contentType == "" {
							header = header[2:]
						}
						a := n.do(e.method, e.path, bad.body, header...)
						e.refused(t, name, a)
						switch {
						case dialect == "strict":
							assert.GreaterOrEqual(t, a.StatusCode, 400, "%s: %s", name, a.body)
							assert.Less(t, a.StatusCode, 500, "%s: %s", name, a.body)
							if e.resources == (bad.contentType != typeForm) && e.speaks != token && e.speaks != cavsCall {
								assert.Contains(t, bad.statuses, a.StatusCode, "%s: %s", name, a.body)
							}
						case e.speaks == connect:
							assert.Equal(t, 400, a.StatusCode, "%s: %s", name, a.body)
						default:
							assert.GreaterOrEqual(t, a.StatusCode, 400, "%s: %s", name, a.body)
						}
						if e.speaks != token && e.speaks != cavsCall {
							assert.Contains(t, a.Header.Get("Content-Type"), accept, name)
						}
					}
				}
			}
			require.Equal(t, 200, n.get("/Patient/example").StatusCode, "the node is well")
			n.client.CloseIdleConnections()
			settles(t, before)
		})
	}
}

// settles waits until no more goroutines are there than before: net/http lets a
// connection that it closes linger for half a second.
func settles(t *testing.T, before int) {
	t.Helper()
	if !assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before }, 20*time.Second, 10*time.Millisecond) {
		stacks := make([]byte, 1<<20)
		t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
	}
}

// endless is a body of a size that is made while it is read.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = 'a'
	}
	e.left -= n
	return n, nil
}

// A body over the limit is refused or cut off, said beforehand or not, and is
// never held in memory.
func TestBodyOverTheLimit(t *testing.T) {
	n := newNode(t)
	n.load(patientExample)
	const size = 50 << 20
	for _, e := range endpoints {
		for _, said := range []bool{true, false} {
			contentType := typeJSON
			if !e.resources {
				contentType = typeForm
			}
			r, err := http.NewRequest(e.method, n.cfg.Root+e.path, &endless{size})
			require.NoError(t, err)
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Authorization", "Bearer "+adminBearer)
			if said {
				r.ContentLength = size
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			res, err := n.client.Do(r)
			runtime.ReadMemStats(&after)
			if err == nil {
				text, _ := io.ReadAll(res.Body) // the connection may end within
				res.Body.Close()
				assert.Equal(t, 413, res.StatusCode, "%s %s: %s", e.method, e.path, text)
			}
			most := uint64(160 << 20) // what was read up to the limit, in a buffer that grows
			if said {
				most = 8 << 20
			}
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, most, "%s %s", e.method, e.path)
		}
	}
	require.Equal(t, 200, n.get("/Patient/example").StatusCode, "the node is well")
}

// What can't be answered is 406, in JSON; a path and a method that aren't there
// are told as other errors are.
func TestNothingThere(t *testing.T) {
	n := newNode(t)
	n.load(patientExample)
	for _, path := range []string{"/r3/Patient/example", "/r3/Patient", "/r3/metadata", "/r3/Patient/example/_history"} {
		a := n.do("GET", path, "", "Accept", "text/html")
		assert.Equal(t, 406, a.StatusCode, path)
		a.outcome(t)
		assert.Equal(t, 406, n.do("GET", path+"?_format=html", "").StatusCode, path)
	}
	for _, q := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/r3/Nonsense/1", 404}, {"GET", "/r3/nonsense", 404}, {"GET", "/r3/Patient/nobody", 404}, {"GET", "/r3/x/y/z/w", 404},
		{"GET", "/r3/%01", 404}, {"GET", "/r3/%ff%fe", 404}, {"GET", "/r3/Patient/%00", 404}, {"GET", "/r3/Patient/a%2Fb", 404}, {"GET", "/r3/Patient/" + strings.Repeat("a", 10_000), 404},
		{"GET", "/elsewhere", 404}, {"PATCH", "/r3/Patient/example", 405}, {"PUT", "/r3/Patient/example/_history", 405}, {"GET", "/r3/$connect", 405},
		{"POST", "/r3/Patient/example", 405},
	} {
		for _, accept := range []string{typeJSON, typeXML} {
			a := n.do(q.method, q.path, "", "Accept", accept)
			assert.Equal(t, q.status, a.StatusCode, "%s %s: %s", q.method, clip(q.path), a.body)
			assert.Contains(t, a.Header.Get("Content-Type"), accept)
			assert.Equal(t, q.status == 405, a.Header.Get("Allow") != "")
			a.outcome(t)
		}
	}
}

func TestNoBearer(t *testing.T) {
	n := newNode(t)
	n.load(patientExample)
	for _, bearer := range []string{"", "unknown"} {
		for _, q := range []struct{ method, path, body string }{
			{"GET", "/r3/Patient/example", ""}, {"GET", "/r3/Patient", ""}, {"GET", "/r3/Patient/example/_history", ""}, {"GET", "/r3/Patient/example/_history/1", ""},
			{"POST", "/r3/Patient", patientExample}, {"PUT", "/r3/Patient/example", patientExample}, {"DELETE", "/r3/Patient/example", ""},
			{"PUT", "/r3/Patient?name=x", patientExample}, {"DELETE", "/r3/Patient?name=x", ""}, {"POST", "/r3/Patient/_search", ""},
			{"POST", "/r3", `{"resourceType":"Bundle","type":"batch"}`}, {"POST", "/r3/$validate", patientExample}, {"POST", "/r3/Consent/x/$authorize", ""},
			{"GET", "/r3/$connection", ""},
		} {
			a := n.as(bearer).do(q.method, q.path, q.body, "Content-Type", typeJSON, "Accept", typeXML)
			assert.Equal(t, 401, a.StatusCode, "%s %s: %s", q.method, q.path, a.body)
			assert.NotEmpty(t, a.Header.Get("WWW-Authenticate"))
			a.outcome(t)
		}
	}
	require.Equal(t, 200, n.get("/Patient/example").StatusCode)
}
