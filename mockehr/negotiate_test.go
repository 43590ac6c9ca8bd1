package mockehr

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
)

func TestNegotiation(t *testing.T) {
	n := newNode(t)
	n.load(patientExample)
	for _, row := range []struct{ accept, format, want string }{
		{"", "", "application/fhir+json"},
		{"*/*", "", "application/fhir+json"},
		{"application/fhir+xml", "", "application/fhir+xml"},
		{"application/fhir+json", "", "application/fhir+json"},
		{"application/xml", "", "application/xml"},
		{"application/json", "", "application/json"},
		{"text/xml", "", "text/xml"},
		{"text/*", "", "text/xml"},
		{"application/json+fhir", "", "application/json+fhir"},
		{"application/xml+fhir", "", "application/xml+fhir"},
		{"APPLICATION/FHIR+XML; charset=utf-8", "", "application/fhir+xml"},
		{"application/fhir+json;q=0.4, application/fhir+xml;q=0.5", "", "application/fhir+xml"},
		{"application/fhir+xml;q=0.5, application/fhir+json", "", "application/fhir+json"},
		{"text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", "", "application/xml"},
		{"*/*, application/fhir+xml", "", "application/fhir+xml"},
		{"application/fhir+json;q=0, */*", "", "application/fhir+xml"},
		{"text/html, application/*;q=0.1", "", "application/fhir+json"},
		{"nonsense, application/fhir+xml", "", "application/fhir+xml"},
		{"text/html", "", ""},
		{"application/fhir+json;q=0", "", ""},
		{"application/fhir+json;q=x", "", ""},
		{"application/fhir+json", "xml", "application/fhir+xml"},
		{"text/html", "json", "application/fhir+json"},
		{"", "application/fhir+xml", "application/fhir+xml"},
		{"", "application/fhir%2Bxml", "application/fhir+xml"},
		{"", "application/xml+fhir", "application/xml+fhir"},
		{"", "text/xml", "text/xml"},
		{"", "html", ""},
		{"application/fhir+json", "ttl", ""},
	} {
		path := "/Patient/example"
		if row.format != "" {
			path += "?_format=" + row.format
		}
		for _, path := range []string{path, strings.Replace(path, "/example", "", 1), strings.Replace(path, "Patient/example", "metadata", 1)} {
			a := n.get(path, "Accept", row.accept)
			if row.want == "" {
				assert.Equal(t, 406, a.StatusCode, "%v", row)
				continue
			}
			assert.Equal(t, 200, a.StatusCode, "%v: %s", row, a.body)
			assert.Equal(t, row.want+"; charset=utf-8", a.Header.Get("Content-Type"), "%v", row)
			assert.Equal(t, strings.Contains(row.want, "xml"), strings.HasPrefix(a.body, "<"), "%v", row)
			a.resource(t)
		}
	}
	for _, accept := range []string{typeJSON, typeXML} {
		a := n.get("/Patient/example?_pretty=true", "Accept", accept)
		assert.Greater(t, strings.Count(a.body, "\n  "), 4, a.body)
		a.resource(t)
	}
}

func TestContentTypes(t *testing.T) {
	n := newNode(t)
	const asXML = `<Patient xmlns="http://hl7.org/fhir"><id value="example"/></Patient>`
	for contentType, status := range map[string]int{
		"application/fhir+json": 200, "application/json": 200, "application/json+fhir": 200, "text/json": 200, "application/fhir+json; charset=UTF-8": 200,
		"application/fhir+xml": 200, "application/xml": 200, "application/xml+fhir": 200, "text/xml": 200,
		"text/plain": 415, "application/x-www-form-urlencoded": 415, "multipart/form-data": 415, "application/fhir+json; charset=latin1": 415,
	} {
		n.load(patientExample)
		body := patientExample
		if strings.Contains(contentType, "xml") {
			body = asXML
		}
		assert.Equal(t, status, n.put("/Patient/example", body, "Content-Type", contentType).StatusCode, contentType)
	}
	assert.Equal(t, 415, n.put("/Patient/example", patientExample, "Content-Encoding", "gzip").StatusCode)
}

func TestPreferReturn(t *testing.T) {
	n := newNode(t)
	a := n.put("/Patient/example", patientExample, "Prefer", "return=minimal")
	assert.Equal(t, 201, a.StatusCode)
	assert.Empty(t, a.body)
	assert.Equal(t, `W/"1"`, a.Header.Get("ETag"))
	assert.NotEmpty(t, n.put("/Patient/example", patientExample, "Prefer", "return=representation").body)
	a = n.put("/Patient/example", patientExample, "Prefer", "return=OperationOutcome", "Accept", typeXML)
	assert.Equal(t, 200, a.StatusCode)
	assert.Equal(t, `W/"3"`, a.Header.Get("ETag"))
	assert.Contains(t, a.resource(t).Text("issue", "diagnostics"), "Patient/example is stored as version 3")
}

// A Binary is taken and given as it is where that is asked for, and as a
// resource where a media type of FHIR is.
func TestBinary(t *testing.T) {
	n := newNode(t)
	const text = "%PDF-1.4 \x00\xff"
	a := n.post("/Binary", text, "Content-Type", "application/pdf")
	require.Equal(t, 201, a.StatusCode, a.body)
	o := a.resource(t)
	assert.Equal(t, "application/pdf", o.Text("contentType"))
	assert.Equal(t, base64.StdEncoding.EncodeToString([]byte(text)), o.Text("content"))
	path := "/Binary/" + o.ID()

	for _, accept := range []string{"application/pdf", "application/pdf;q=0.5, text/plain"} {
		a = n.get(path, "Accept", accept)
		assert.Equal(t, 200, a.StatusCode)
		assert.Equal(t, "application/pdf", a.Header.Get("Content-Type"))
		assert.Equal(t, text, a.body)
		assert.Equal(t, `W/"1"`, a.Header.Get("ETag"))
	}
	for _, accept := range []string{"", "*/*", typeJSON, typeXML, "application/json", "application/pdf, " + typeXML} {
		assert.Equal(t, "Binary", n.get(path, "Accept", accept).resource(t).Type(), accept)
	}
	assert.Equal(t, "Binary", n.get(path+"?_format=xml", "Accept", "application/pdf").resource(t).Type())
	assert.Equal(t, 406, n.get(path, "Accept", "image/png").StatusCode)
	assert.Equal(t, 401, n.as("").get(path, "Accept", "application/pdf").StatusCode)
	assert.Equal(t, 404, n.get("/Binary/nothing", "Accept", "application/pdf").StatusCode)

	assert.Equal(t, 400, n.post("/Binary", "", "Content-Type", "text/plain").StatusCode)
	assert.Equal(t, 201, n.post("/Binary", string(fhir.AppendJSON(nil, o))).StatusCode)
	// What a script in it would do, it does nowhere.
	a = n.post("/Binary", "<script>alert(1)</script>", "Content-Type", "text/html")
	a = n.get("/Binary/"+a.resource(t).ID(), "Accept", "text/html")
	assert.Contains(t, a.Header.Get("Content-Security-Policy"), "sandbox")
	assert.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
}

func TestValidate(t *testing.T) {
	n := newNode(t)
	inParameters := func(resource, more string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":` + resource + `}` + more + `]}`
	}
	bad := `{"resourceType":"Patient","gender":"x","birthDate":"1974-13-99","nonsense":true}`
	for _, row := range []struct {
		path, body string
		issues     []string // what each is about; none: all is well
	}{
		{"/$validate", patientExample, nil},
		{"/Patient/$validate", patientExample, nil},
		{"/Patient/example/$validate", patientExample, nil},
		{"/Patient/$validate", inParameters(patientExample, ""), nil},
		{"/$validate", inParameters(patientExample, `,{"name":"mode","valueCode":"update"}`), nil},
		{"/Patient/$validate", bad, []string{"gender", "birthDate", "nonsense"}},
		{"/Patient/$validate", inParameters(bad, `,{"name":"mode","valueCode":"create"}`), []string{"gender", "birthDate", "nonsense"}},
		{"/Patient/$validate", inParameters(bad, `,{"name":"mode","valueCode":"update"}`), []string{"gender", "birthDate", "nonsense", "id"}},
		{"/Observation/$validate", patientExample, []string{"Observation"}},
		{"/Patient/other/$validate", patientExample, []string{"other"}},
	} {
		for _, accept := range []string{typeJSON, typeXML} {
			a := n.post(row.path, row.body, "Accept", accept)
			require.Equal(t, 200, a.StatusCode, a.body)
			o := a.resource(t)
			require.Equal(t, "OperationOutcome", o.Type())
			if row.issues == nil {
				assert.Equal(t, "information", o.Text("issue", "severity"), a.body)
				continue
			}
			assert.Len(t, o.Objects("issue"), len(row.issues), a.body)
			for _, about := range row.issues {
				assert.Contains(t, a.outcome(t), about)
			}
		}
	}
	for path, body := range map[string]string{"/Nonsense/$validate": patientExample, "/$validate": `{"resourceType":"Parameters"}`,
		"/Patient/$validate": inParameters(patientExample, `,{"name":"mode","valueCode":"burn"}`)} {
		a := n.post(path, body)
		assert.GreaterOrEqual(t, a.StatusCode, 400, a.body)
		a.outcome(t)
	}
	assert.Equal(t, 404, n.get("/Patient/example").StatusCode, "nothing is stored")
}
