package mockehr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
)

func bundleOf(kind string, entries ...string) string {
	return fmt.Sprintf(`{"resourceType":"Bundle","type":%q,"entry":[%s]}`, kind, strings.Join(entries, ","))
}

// entry is one with a request; more is other members of it, resource "" for none.
func entry(method, url, resource string, more ...string) string {
	parts := []string{fmt.Sprintf(`"request":{"method":%q,"url":%q%s}`, method, url, strings.Join(more, ""))}
	if resource != "" {
		parts = append(parts, `"resource":`+resource)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func called(fullURL, entry string) string { return fmt.Sprintf(`{"fullUrl":%q,%s`, fullURL, entry[1:]) }

func (n *node) statuses(a reply) (list []string) {
	n.t.Helper()
	require.Equal(n.t, 200, a.StatusCode, a.body)
	for _, e := range a.resource(n.t).Objects("entry") {
		list = append(list, e.Text("response", "status")[:3])
	}
	return list
}

// placed is Type/id of where the entries of a response say that they are.
func placed(t *testing.T, a reply) (list []string) {
	t.Helper()
	for _, e := range a.resource(t).Objects("entry") {
		_, typ, id, _, _ := fhir.SplitReference(e.Text("response", "location"))
		list = append(list, typ+"/"+id)
	}
	return list
}

const observationOf = `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":%q}}`

func TestTransactionRewritesReferences(t *testing.T) {
	n := newNode(t)
	const patient, practitioner = "urn:uuid:0e3b1e5b-8e05-4f39-8f80-3e1d4a5f9c01", "http://elsewhere.example/r3/Practitioner/p7"
	a := n.post("", bundleOf("transaction",
		// Refers to what comes after it.
		called("urn:uuid:0e3b1e5b-8e05-4f39-8f80-3e1d4a5f9c02", entry("POST", "Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"},
			"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"`+patient+`\">of</a></div>"},
			"subject":{"reference":"`+patient+`"},"performer":[{"reference":"`+practitioner+`"}],"identifier":[{"system":"urn:ietf:rfc:3986","value":"`+patient+`"}]}`)),
		called(patient, entry("POST", "Patient", `{"resourceType":"Patient","id":"x","generalPractitioner":[{"reference":"`+practitioner+`"}]}`)),
		called(practitioner, entry("POST", "Practitioner", `{"resourceType":"Practitioner","id":"p7"}`)),
		// A relative reference is meant as at the place that it comes from.
		called("http://elsewhere.example/r3/Condition/c1", entry("POST", "Condition", `{"resourceType":"Condition","subject":{"reference":"Patient/known"},"asserter":{"reference":"Practitioner/p7"}}`)),
		entry("PUT", "Patient/known", `{"resourceType":"Patient","id":"known"}`)))
	require.Equal(t, []string{"201", "201", "201", "201", "201"}, n.statuses(a), a.body)
	at := placed(t, a)
	assert.Equal(t, "Patient/known", at[4])
	assert.NotEqual(t, "Patient/x", at[1])
	first := a.resource(t).Objects("entry")[0].Child("response")
	assert.Equal(t, `W/"1"`, first.Text("etag"))
	assert.NotEmpty(t, first.Text("lastModified"))

	o := n.get("/" + at[0]).resource(t)
	assert.Equal(t, at[1], o.Text("subject", "reference"))
	assert.Equal(t, at[2], o.Text("performer", "reference"))
	assert.Contains(t, o.Text("text", "div"), `href="`+at[1]+`"`)
	assert.Equal(t, patient, o.Text("identifier", "value"), "no reference")
	assert.Equal(t, at[2], n.get("/"+at[1]).resource(t).Text("generalPractitioner", "reference"))
	c := n.get("/" + at[3]).resource(t)
	assert.Equal(t, at[2], c.Text("asserter", "reference"))
	assert.Equal(t, "Patient/known", c.Text("subject", "reference"))
}

func TestTransactionIsAllOrNothing(t *testing.T) {
	good := entry("PUT", "Patient/new", `{"resourceType":"Patient","id":"new"}`)
	for what, bad := range map[string]struct {
		entry  string
		status int
		batch  int // the status of the entry in a batch, if another
	}{
		"an invalid resource":            {entry("POST", "Patient", `{"resourceType":"Patient","gender":"x"}`), 422, 0},
		"another type":                   {entry("POST", "Patient", `{"resourceType":"Basic","code":{"text":"x"}}`), 400, 0},
		"another id":                     {entry("PUT", "Patient/a", `{"resourceType":"Patient","id":"b"}`), 400, 0},
		"no id":                          {entry("PUT", "Patient/a", `{"resourceType":"Patient"}`), 400, 0},
		"a stale version":                {entry("PUT", "Patient/example", patientExample, `,"ifMatch":"W/\"7\""`), 412, 0},
		"criteria that find two":         {entry("POST", "Patient", `{"resourceType":"Patient"}`, `,"ifNoneExist":"_id=example,third"`), 412, 0},
		"criteria that aren't known":     {entry("POST", "Patient", `{"resourceType":"Patient"}`, `,"ifNoneExist":"colour=red"`), 400, 0},
		"a reference that finds nothing": {entry("POST", "Observation", fmt.Sprintf(observationOf, "Patient?identifier=nobody")), 412, 422},
		"a reference that finds two":     {entry("POST", "Observation", fmt.Sprintf(observationOf, "Patient?_id=example,third")), 412, 422},
		"the same resource again":        {entry("PUT", "Patient/new", `{"resourceType":"Patient","id":"new","active":true}`), 400, 200},
		"its deletion too":               {entry("PUT", "Patient/gone", `{"resourceType":"Patient","id":"gone"}`), 400, 201},
		"a read of nothing":              {entry("GET", "Patient/nobody", ""), 404, 0},
		"an operation":                   {entry("POST", "Patient/$validate", patientExample), 400, 0},
		"no type":                        {entry("GET", "Nonsense/1", ""), 400, 0},
		"a Consent of nobody":            {entry("POST", "Consent", consentFor("nobody", "user/*.read")), 422, 0},
		"no request":                     {`{"resource":` + patientExample + `}`, 422, 0},
		"nothing to write":               {entry("POST", "Patient", ""), 422, 0},
	} {
		for _, kind := range []string{"transaction", "batch"} {
			t.Run(what+" in a "+kind, func(t *testing.T) {
				n := newNode(t)
				n.load(patientExample, `{"resourceType":"Patient","id":"gone"}`, `{"resourceType":"Patient","id":"third"}`)
				a := n.post("", bundleOf(kind, entry("DELETE", "Patient/gone", ""), good, bad.entry))
				if kind == "transaction" {
					assert.Equal(t, bad.status, a.StatusCode, a.body)
					assert.Contains(t, a.outcome(t), "entry[")
					assert.Equal(t, 404, n.get("/Patient/new").StatusCode)
					assert.Equal(t, 200, n.get("/Patient/gone").StatusCode)
					return
				}
				statuses := n.statuses(a)
				assert.Equal(t, []string{"204", "201"}, statuses[:2], a.body)
				assert.Equal(t, 200, n.get("/Patient/new").StatusCode)
				if bad.batch != 0 {
					assert.Equal(t, fmt.Sprint(bad.batch), statuses[2], a.body)
				} else {
					assert.Equal(t, fmt.Sprint(bad.status), statuses[2], a.body)
				}
				last := a.resource(t).Objects("entry")[2].Child("response")
				assert.Equal(t, statuses[2] >= "400", last.Child("outcome").Type() == "OperationOutcome", a.body)
			})
		}
	}
}

func TestTransactionOrder(t *testing.T) {
	n := newNode(t)
	n.load(patientExample)
	// In the order of the entries each would fail.
	a := n.post("", bundleOf("transaction",
		entry("GET", "Patient?name=late", ""), entry("GET", "Patient/put", ""),
		entry("PUT", "Patient/put", `{"resourceType":"Patient","id":"put","generalPractitioner":[{"reference":"Practitioner?identifier=a|1"}]}`),
		entry("POST", "Patient", `{"resourceType":"Patient","name":[{"family":"late"}]}`),
		entry("POST", "Practitioner", `{"resourceType":"Practitioner","identifier":[{"system":"a","value":"1"}]}`),
		entry("DELETE", "Patient?_id=example", "")))
	require.Equal(t, []string{"200", "200", "201", "201", "201", "204"}, n.statuses(a), a.body)
	entries := a.resource(t).Objects("entry")
	assert.Equal(t, fhir.Number("1"), entries[0].Child("resource").Get("total"))
	assert.Equal(t, placed(t, a)[4], entries[1].Child("resource", "generalPractitioner").Text("reference"))
	assert.Equal(t, 410, n.get("/Patient/example").StatusCode)
}

func TestConditionalWrites(t *testing.T) {
	const known = `{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"1"}]}`
	// Each way to write: by a request, in a transaction, and in a batch.
	ways := map[string]func(n *node, method, query, body string) (status int, text string){
		"alone": func(n *node, method, query, body string) (int, string) {
			var a reply
			if method == "POST" {
				a = n.post("/Patient", body, "If-None-Exist", query)
			} else {
				a = n.do(method, "/r3/Patient?"+query, body, "Content-Type", typeJSON)
			}
			return a.StatusCode, a.body
		},
	}
	for _, kind := range []string{"transaction", "batch"} {
		ways[kind] = func(n *node, method, query, body string) (int, string) {
			e := entry(method, "Patient?"+query, body)
			if method == "POST" {
				e = entry(method, "Patient", body, `,"ifNoneExist":"`+query+`"`)
			}
			a := n.post("", bundleOf(kind, e))
			if a.StatusCode != 200 {
				return a.StatusCode, a.body
			}
			var status int
			_, err := fmt.Sscan(n.statuses(a)[0], &status)
			require.NoError(t, err)
			return status, a.body
		}
	}
	for how, do := range ways {
		t.Run(how, func(t *testing.T) {
			n := newNode(t)
			count := func() fhir.Number { return n.get("/Patient?_summary=count").resource(t).Get("total").(fhir.Number) }
			for i, step := range []struct {
				method, query, body string
				status              int
				count               fhir.Number
			}{
				{"POST", "identifier=urn:s|1", known, 201, "1"},
				{"POST", "identifier=urn:s|1", known, 200, "1"},
				{"PUT", "identifier=urn:s|1", known, 200, "1"},
				{"PUT", "identifier=urn:s|2", `{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"2"}]}`, 201, "2"},
				{"PUT", "identifier=urn:s|2", `{"resourceType":"Patient","id":"another"}`, 400, "2"},
				{"PUT", "identifier=urn:s|", known, 412, "2"},
				{"POST", "identifier=urn:s|", known, 412, "2"},
				{"DELETE", "identifier=urn:s|", "", 412, "2"},
				{"PUT", "colour=red", known, 400, "2"},
				{"DELETE", "", "", 400, "2"},
				{"PUT", "", known, 400, "2"},
				{"DELETE", "identifier=urn:s|2", "", 204, "1"},
				{"DELETE", "identifier=urn:s|2", "", 204, "1"},
			} {
				status, text := do(n, step.method, step.query, step.body)
				assert.Equal(t, step.status, status, "%d: %s", i, text)
				assert.Equal(t, step.count, count(), "%d", i)
			}
		})
	}
	// The same criteria twice in a transaction: one resource.
	n := newNode(t)
	a := n.post("", bundleOf("transaction", called("urn:uuid:0e3b1e5b-8e05-4f39-8f80-3e1d4a5f9c01", entry("POST", "Patient", known, `,"ifNoneExist":"identifier=1"`)),
		called("urn:uuid:0e3b1e5b-8e05-4f39-8f80-3e1d4a5f9c02", entry("POST", "Patient", known, `,"ifNoneExist":"identifier=1"`)),
		entry("POST", "Observation", fmt.Sprintf(observationOf, "urn:uuid:0e3b1e5b-8e05-4f39-8f80-3e1d4a5f9c02"))))
	require.Equal(t, []string{"201", "200", "201"}, n.statuses(a), a.body)
	at := placed(t, a)
	assert.Equal(t, at[0], n.get("/"+at[2]).resource(t).Text("subject", "reference"))
}

// Who may what is decided by entry, in a Bundle as by itself.
func TestAccessWithinBundles(t *testing.T) {
	n := newNode(t)
	n.load(patientExample)
	app := n.as(consumerBearer)
	require.Equal(t, 201, n.post("/Consent", consentFor("example", "user/*.read")).StatusCode)
	others := n.get("/Consent").ids(t)[0]
	list := []struct {
		entry  string
		status string
	}{
		{entry("POST", "Consent", consentFor("example", "user/*.read")), "201"},
		{entry("POST", "Consent", consentFor("nobody", "user/*.read")), "422"},
		{entry("GET", "Patient/example", ""), "403"},
		{entry("GET", "Patient?_id=example", ""), "403"},
		{entry("GET", "Patient/example/_history", ""), "403"},
		{entry("PUT", "Patient/example", patientExample), "403"},
		{entry("DELETE", "Patient/example", ""), "403"},
		{entry("DELETE", "Patient?_id=example", ""), "403"},
		{entry("GET", "Consent/"+others, ""), "404"},
		{entry("GET", "Consent/"+others+"/_history/1", ""), "404"},
		{entry("DELETE", "Consent/"+others, ""), "404"},
		{entry("POST", "Consent", consentFor("example", "user/*.read"), `,"ifNoneExist":"_id=`+others+`"`), "201"},
	}
	var entries, statuses []string
	for _, e := range list {
		entries, statuses = append(entries, e.entry), append(statuses, e.status)
		a := app.post("", bundleOf("transaction", e.entry))
		if e.status == "201" {
			assert.Equal(t, []string{"201"}, app.statuses(a), a.body)
		} else {
			assert.Equal(t, e.status, fmt.Sprint(a.StatusCode), "%s: %s", e.entry, a.body)
			a.outcome(t)
		}
	}
	a := app.post("", bundleOf("batch", entries...))
	assert.Equal(t, statuses, app.statuses(a), a.body)
	assert.Equal(t, 200, n.get("/Patient/example").StatusCode)
	assert.Equal(t, 200, n.get("/Consent/"+others).StatusCode)
}

func TestBundlesOfOtherKinds(t *testing.T) {
	n := newNode(t)
	for _, text := range []string{`{"resourceType":"Bundle","type":"collection"}`, `{"resourceType":"Bundle","type":"searchset"}`, `{"resourceType":"Bundle"}`, patientExample} {
		a := n.post("", text)
		assert.Equal(t, 400, a.StatusCode, a.body)
		a.outcome(t)
	}
	for _, kind := range []string{"batch", "transaction"} {
		a := n.post("/", `{"resourceType":"Bundle","type":"`+kind+`"}`, "Accept", typeXML)
		require.Equal(t, 200, a.StatusCode, a.body)
		assert.Equal(t, kind+"-response", a.resource(t).Text("type"))
		a = n.post("", bundleOf(kind, entry("PUT", n.base()+"/Patient/a", `{"resourceType":"Patient","id":"a","active":true}`)), "Prefer", "return=representation")
		assert.True(t, a.resource(t).Child("entry", "resource").Get("active").(bool))
	}
	whole := strings.ReplaceAll(n.get("/Patient/a").body, `"`, "")
	assert.Contains(t, whole, "versionId:2")
}
