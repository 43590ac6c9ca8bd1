package mockehr

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
)

func resourcesOf(t *testing.T, statement *fhir.Object) map[string]*fhir.Object {
	t.Helper()
	all := map[string]*fhir.Object{}
	for _, r := range statement.Child("rest").Objects("resource") {
		all[r.Text("type")] = r
	}
	return all
}

func codesOf(o *fhir.Object) (list []string) {
	for _, i := range o.Objects("interaction") {
		list = append(list, i.Text("code"))
	}
	return list
}

// Whatever the statement says of searches is so, for each type.
func TestStatedSearches(t *testing.T) {
	n := newNode(t)
	examples := map[string]string{"token": "x", "reference": "Patient/1", "date": "2017", "string": "x", "uri": "urn:x", "number": "1", "quantity": "1"}
	for typ, r := range resourcesOf(t, n.get("/metadata").resource(t)) {
		query := "/" + typ + "?_count=1"
		for _, p := range r.Objects("searchParam") {
			value, known := examples[p.Text("type")]
			require.True(t, known, "%s %s", typ, p.Text("type"))
			query += "&" + p.Text("name") + "=" + value
		}
		for _, include := range r.List("searchInclude") {
			query += "&_include=" + include.(string)
		}
		a := n.get(query, "Prefer", "handling=strict")
		assert.Equal(t, 200, a.StatusCode, "%s: %s", query, a.body)
		assert.Equal(t, 400, n.get("/"+typ+"?_include="+typ+":nonsense").StatusCode)
	}
}

// The statement is valid in both formats, and open to all.
func TestStatement(t *testing.T) {
	n := newNode(t).as("")
	for _, accept := range []string{typeJSON, typeXML} {
		for _, a := range []reply{n.get("/metadata", "Accept", accept), n.do("OPTIONS", "/r3", "", "Accept", accept)} {
			require.Equal(t, 200, a.StatusCode, a.body)
			assert.Equal(t, "CapabilityStatement", a.resource(t).Type())
		}
	}
	statement := n.get("/metadata").resource(t)
	for _, format := range statement.List("format") {
		a := n.get("/metadata", "Accept", format.(string))
		assert.Equal(t, 200, a.StatusCode)
		assert.Contains(t, a.Header.Get("Content-Type"), format)
	}
	assert.Equal(t, []string{"transaction", "batch"}, codesOf(statement.Child("rest")))
	for _, op := range statement.Child("rest").Objects("operation") {
		reference := op.Text("definition", "reference")
		if !strings.HasPrefix(reference, "#") {
			assert.True(t, strings.HasPrefix(reference, "http://hl7.org/fhir/OperationDefinition/"), "the specification's own")
			continue
		}
		i := slices.IndexFunc(statement.Objects("contained"), func(o *fhir.Object) bool { return "#"+o.ID() == reference })
		require.GreaterOrEqual(t, i, 0, reference)
		d := statement.Objects("contained")[i]
		path := "/$" + d.Text("code")
		if d.Get("instance") == true {
			path = "/" + d.Text("resource") + "/x" + path
		}
		for _, method := range []string{"GET", "POST"} {
			a := n.do(method, "/r3"+path, "", "Content-Type", typeJSON)
			if a.StatusCode == 405 {
				assert.NotContains(t, a.Header.Get("Allow"), method)
				assert.NotEmpty(t, a.Header.Get("Allow"), path)
			} else {
				assert.NotEqual(t, 404, a.StatusCode, path)
			}
		}
	}
}

// Each interaction that is stated for a type can be had, and each that isn't can't.
func TestStatedInteractions(t *testing.T) {
	n := newNode(t)
	statement := resourcesOf(t, n.get("/metadata").resource(t))
	for typ, text := range map[string]string{
		"Patient":           `{"resourceType":"Patient","id":"x","identifier":[{"value":"1"}]}`,
		"Observation":       `{"resourceType":"Observation","id":"x","status":"final","code":{"text":"x"},"identifier":[{"value":"1"}]}`,
		"Organization":      `{"resourceType":"Organization","id":"x","name":"x","identifier":[{"value":"1"}]}`,
		"MedicationRequest": `{"resourceType":"MedicationRequest","id":"x","intent":"order","medicationCodeableConcept":{"text":"x"},"subject":{"reference":"Patient/x"},"identifier":[{"value":"1"}]}`,
		"Binary":            `{"resourceType":"Binary","id":"x","contentType":"text/plain","content":"eA=="}`,
		"Basic":             `{"resourceType":"Basic","id":"x","code":{"text":"x"},"identifier":[{"value":"1"}]}`,
	} {
		t.Run(typ, func(t *testing.T) {
			r := statement[typ]
			require.NotNil(t, r)
			assert.ElementsMatch(t, []string{"read", "vread", "update", "delete", "history-instance", "create", "search-type"}, codesOf(r))
			made := n.put("/"+typ+"/x", text)
			assert.Equal(t, r.Get("updateCreate"), made.StatusCode == http.StatusCreated, made.body)
			assert.Equal(t, "versioned-update", r.Text("versioning"))
			assert.Equal(t, 412, n.put("/"+typ+"/x", text, "If-Match", `W/"9"`).StatusCode)
			require.Equal(t, 200, n.put("/"+typ+"/x", text).StatusCode)
			assert.Equal(t, `W/"2"`, n.get("/"+typ+"/x").Header.Get("ETag"))
			assert.Equal(t, r.Get("readHistory"), n.get("/"+typ+"/x/_history/1").StatusCode == 200)
			assert.Len(t, n.get("/"+typ+"/x/_history").resource(t).Objects("entry"), 2)
			assert.Equal(t, []string{"x"}, n.get("/"+typ).ids(t))
			assert.Equal(t, []string{"x"}, n.post("/"+typ+"/_search", "_id=x", "Content-Type", typeForm).ids(t))

			assert.Equal(t, "full-support", r.Text("conditionalRead"))
			assert.Equal(t, 304, n.get("/"+typ+"/x", "If-None-Match", `W/"2"`).StatusCode)
			assert.Equal(t, 304, n.get("/"+typ+"/x", "If-Modified-Since", n.get("/"+typ+"/x").Header.Get("Last-Modified")).StatusCode)
			assert.Equal(t, r.Get("conditionalCreate"), n.post("/"+typ, text, "If-None-Exist", "_id=x").StatusCode == 200)
			for _, path := range []string{"/" + typ + "?_id=x", "/" + typ + "/?_id=x"} {
				assert.Equal(t, r.Get("conditionalUpdate"), n.put(path, text).StatusCode == 200)
				inBundle := n.post("", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":`+text+`,"request":{"method":"PUT","url":"`+path[1:]+`"}}]}`)
				assert.Equal(t, 200, inBundle.StatusCode, inBundle.body)
				assert.Equal(t, "200 OK", inBundle.resource(t).Text("entry", "response", "status"))
			}

			created := n.post("/"+typ, text)
			require.Equal(t, 201, created.StatusCode, created.body)
			assert.Equal(t, 412, n.do("DELETE", "/r3/"+typ+"?_lastUpdated=gt2000", "").StatusCode, "single, not multiple")
			assert.Equal(t, "single", r.Text("conditionalDelete"))
			require.Equal(t, 204, n.do("DELETE", "/r3/"+typ+"?_id=x", "").StatusCode)
			assert.Equal(t, 410, n.get("/"+typ+"/x").StatusCode)
			require.Equal(t, 204, n.do("DELETE", "/r3/"+typ+"/"+created.resource(t).ID(), "").StatusCode)
			assert.Empty(t, n.get("/"+typ).ids(t))

			// Not stated: patch, and histories of a type or of all.
			assert.Equal(t, 405, n.do("PATCH", "/r3/"+typ+"/x", "").StatusCode)
			for _, path := range []string{"/" + typ + "/_history", "/_history", "/?_id=x", "/_search"} {
				a := n.get(path)
				assert.Contains(t, []int{404, 405}, a.StatusCode, "%s: %s", path, a.body)
			}
		})
	}
}
