package fhir

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValidateBundle(t *testing.T) {
	bundle := func(kind, entries string) string {
		return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + entries + `]}`
	}
	const (
		pat = `"resource":{"resourceType":"Patient","id":"1"}`
		get = `"request":{"method":"GET","url":"Patient/1"}`
		ok  = `"response":{"status":"200 OK"}`
	)
	testInvalid(t, []invalid{
		{"searchset", `{"resourceType":"Bundle","type":"searchset","total":1,"link":[{"relation":"self","url":"u"}],"entry":[{"fullUrl":"http://x.org/Patient/1",` + pat + `,"search":{"mode":"match"}}]}`, "", "", ""},
		{"history", bundle("history", `{`+get+`,`+ok+`},{`+pat+`}`), "", "", ""},
		{"no entry", `{"resourceType":"Bundle","type":"searchset","total":0}`, "", "", ""},
		{"no type", `{"resourceType":"Bundle"}`, "Bundle.type", "required", "must be given"},
		{"unknown type", bundle("page", `{`+pat+`}`), "Bundle.type", "code-invalid", "bundle-type"},
		{"total", `{"resourceType":"Bundle","type":"collection","total":1}`, "Bundle.total", "invariant", "bdl-1"},
		{"search of no searchset", bundle("collection", `{`+pat+`,"search":{"mode":"match"}}`), "Bundle.entry[0].search", "invariant", "bdl-2"},
		{"request of a searchset", bundle("searchset", `{`+pat+`},{`+pat+`,`+get+`}`), "Bundle.entry[1].request", "invariant", "bdl-3"},
		{"no request in a batch", bundle("batch", `{`+pat+`}`), "Bundle.entry[0].request", "invariant", "bdl-3"},
		{"response of a searchset", bundle("searchset", `{`+pat+`,`+ok+`}`), "Bundle.entry[0].response", "invariant", "bdl-4"},
		{"no response in a batch-response", bundle("batch-response", `{`+pat+`}`), "Bundle.entry[0].response", "invariant", "bdl-4"},
		{"nothing in an entry", bundle("collection", `{"fullUrl":"urn:uuid:1"}`), "Bundle.entry[0]", "invariant", "bdl-5"},
		{"empty entry", bundle("history", `{`+pat+`},{"id":"x"}`), "Bundle.entry[1]", "invariant", "bdl-5"},

		{"fullUrl twice", bundle("collection", `{"fullUrl":"http://x.org/Patient/1",`+pat+`},{"fullUrl":"http://x.org/Patient/1",`+pat+`}`), "Bundle.entry[1].fullUrl", "invariant", "bdl-7"},
		{"fullUrl twice, two versions", bundle("collection", `{"fullUrl":"http://x.org/Patient/1",`+pat+`},{"fullUrl":"http://x.org/Patient/1","resource":{"resourceType":"Patient","id":"1","meta":{"versionId":"2"}}}`), "", "", ""},
		{"fullUrl twice in a history", bundle("history", `{"fullUrl":"http://x.org/Patient/1",`+pat+`},{"fullUrl":"http://x.org/Patient/1",`+pat+`}`), "", "", ""},
		{"fullUrl of a version", bundle("collection", `{"fullUrl":"http://x.org/Patient/1/_history/2",`+pat+`}`), "Bundle.entry[0].fullUrl", "invariant", "bdl-8"},
		{"fullUrl not absolute", bundle("collection", `{"fullUrl":"Patient/1",`+pat+`}`), "Bundle.entry[0].fullUrl", "value", "not absolute"},
		{"fullUrl of a resource without an id", bundle("collection", `{"fullUrl":"http://x.org/Patient/2","resource":{"resourceType":"Patient"}}`), "", "", ""},
		{"fullUrl that is no FHIR URL", bundle("collection", `{"fullUrl":"http://x.org/people?id=2",`+pat+`}`), "", "", ""},

		{"create without a resource", bundle("batch", `{"request":{"method":"POST","url":"Patient"}}`), "Bundle.entry[0].resource", "required", "a POST needs the resource"},
		{"update without a resource", bundle("transaction", `{"request":{"method":"PUT","url":"Patient/1"}}`), "Bundle.entry[0].resource", "required", "a PUT needs the resource"},
		{"read with a resource", bundle("batch", `{`+pat+`,`+get+`}`), "Bundle.entry[0].resource", "structure", "a GET has no resource"},
		{"delete with a resource", bundle("batch", `{`+pat+`,"request":{"method":"DELETE","url":"Patient/1"}}`), "Bundle.entry[0].resource", "structure", "a DELETE has no resource"},
		{"unknown method", bundle("batch", `{"request":{"method":"get","url":"Patient/1"}}`), "Bundle.entry[0].request.method", "code-invalid", "DELETE, GET, POST, PUT"},
		{"request without a URL", bundle("batch", `{"request":{"method":"GET"}}`), "Bundle.entry[0].request.url", "required", "must be given"},
		{"status without a number", bundle("batch-response", `{"response":{"status":"OK"}}`), "Bundle.entry[0].response.status", "value", "three digits"},
		{"status of two digits", bundle("batch-response", `{"response":{"status":"20"}}`), "Bundle.entry[0].response.status", "value", "three digits"},
		{"no status", bundle("batch-response", `{"response":{"location":"Patient/1"}}`), "Bundle.entry[0].response.status", "required", "must be given"},

		{"what is in an entry", bundle("collection", `{`+pat+`},{"resource":{"resourceType":"Patient","gender":"m"}}`), "Bundle.entry[1].resource.gender", "code-invalid", "administrative-gender"},
		{"what is in a response", bundle("batch-response", `{"response":{"status":"400","outcome":{"resourceType":"OperationOutcome"}}}`), "Bundle.entry[0].response.outcome.issue", "required", "must be given"},
		{"an entry that is no object", bundle("collection", `1`), "Bundle.entry[0]", "structure", "must be an object"},
		{"one entry for an array", `{"resourceType":"Bundle","type":"collection","entry":{` + pat + `}}`, "Bundle.entry", "structure", "must be an array"},
		{"a Bundle within", bundle("collection", `{"resource":`+bundle("collection", `{`+pat+`,`+ok+`}`)+`}`), "Bundle.entry[0].resource.entry[0].response", "invariant", "bdl-4"},
		{"a Bundle within, and then one more", bundle("transaction", `{"resource":`+bundle("collection", `{`+pat+`}`)+`,"request":{"method":"POST","url":"Bundle"}},
			{"resource":{"resourceType":"Condition","subject":{"reference":"Patient?identifier=1"}},"request":{"method":"POST","url":"Condition"}}`), "", "", ""},

		{"document", `{"resourceType":"Bundle","type":"document","identifier":{"system":"u","value":"v"},"entry":[{` + pat + `}]}`, "Bundle.entry[0]", "invariant", "holds a Composition"},
		{"document without identifier", `{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition","status":"final","type":{"text":"x"},
			"subject":{"reference":"Patient/1"},"date":"2017","author":[{"reference":"Practitioner/1"}],"title":"x"}}]}`, "Bundle.identifier", "invariant", "bdl-9"},
		{"message", bundle("message", `{`+pat+`}`), "Bundle.entry[0]", "invariant", "holds a MessageHeader"},
	})
}

// The specification's own message examples call a Patient/pat2 .../Patient/pat12.
func TestValidateBundleNamesAnother(t *testing.T) {
	for _, url := range []string{"http://x.org/Patient/2", "http://x.org/Person/1"} {
		issues := Validate(parse(t, `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"`+url+`","resource":{"resourceType":"Patient","id":"1"}}]}`))
		require.Len(t, issues, 1)
		assert.Equal(t, "warning", issues[0].Severity)
		assert.Equal(t, []string{"Bundle.entry[0].fullUrl"}, issues[0].Expression)
		assert.Contains(t, issues[0].Diagnostics, `but the resource is "Patient/1"`)
	}
}

// References between the entries of a Bundle.
func TestValidateBundleReferences(t *testing.T) {
	for _, kind := range []string{"transaction", "batch"} {
		for _, c := range []struct{ reference, code, says string }{
			{"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "", ""},
			{"urn:uuid:5d9fd6b9-4b0c-4d0a-8dbb-4a2a4b0a4a4e", "structure", "points to a Device"},
			{"urn:uuid:unknown", "", ""},
			{"Patient?identifier=1", map[string]string{"batch": "value"}[kind], "within a transaction only"},
			{"Device?identifier=1", map[string]string{"batch": "value", "transaction": "structure"}[kind], ""},
			{"Nonsense?identifier=1", "value", "with a type of FHIR STU3"},
		} {
			testInvalid(t, []invalid{{kind + " " + c.reference, `{"resourceType":"Bundle","type":"` + kind + `","entry":[
				{"fullUrl":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
				{"fullUrl":"urn:uuid:5d9fd6b9-4b0c-4d0a-8dbb-4a2a4b0a4a4e","resource":{"resourceType":"Device"},"request":{"method":"POST","url":"Device"}},
				{"resource":{"resourceType":"Condition","subject":{"reference":` + strconv.Quote(c.reference) + `}},"request":{"method":"POST","url":"Condition"}}]}`,
				"Bundle.entry[2].resource.subject.reference", c.code, c.says}})
		}
	}
}

func TestValidateParameters(t *testing.T) {
	parameters := func(parameter string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"a","valueCode":"x"},` + parameter + `]}`
	}
	testInvalid(t, []invalid{
		{"value", parameters(`{"name":"b","valueDuration":{"value":3,"system":"http://unitsofmeasure.org","code":"mo"}}`), "", "", ""},
		{"resource", parameters(`{"name":"b","resource":{"resourceType":"Patient"}}`), "", "", ""},
		{"part", parameters(`{"name":"b","part":[{"name":"c","valueString":"x"},{"name":"d","part":[{"name":"e","valueBoolean":true}]}]}`), "", "", ""},
		{"value that is an extension", parameters(`{"name":"b","_valueString":{"extension":[{"url":"u","valueCode":"x"}]}}`), "", "", ""},
		{"empty", `{"resourceType":"Parameters"}`, "", "", ""},
		{"no name", parameters(`{"valueCode":"x"}`), "Parameters.parameter[1].name", "required", "must be given"},
		{"nothing", parameters(`{"name":"b"}`), "Parameters.parameter[1]", "invariant", "this one has 0"},
		{"value and resource", parameters(`{"name":"b","valueCode":"x","resource":{"resourceType":"Patient"}}`), "Parameters.parameter[1]", "invariant", "inv-1"},
		{"value and part", parameters(`{"name":"b","valueCode":"x","part":[{"name":"c","valueCode":"x"}]}`), "Parameters.parameter[1]", "invariant", "this one has 2"},
		{"nothing in a part", parameters(`{"name":"b","part":[{"name":"c"}]}`), "Parameters.parameter[1].part[0]", "invariant", "inv-1"},
		{"two values", parameters(`{"name":"b","valueCode":"x","valueString":"x"}`), "Parameters.parameter[1].value", "structure", "only one of"},
		{"type that there is not", parameters(`{"name":"b","valueNumber":1}`), "Parameters.parameter[1].valueNumber", "structure", "no element"},
		{"value of another type", parameters(`{"name":"b","valueInteger":"1"}`), "Parameters.parameter[1].value", "structure", "must be a JSON number"},
		{"what is in the resource", parameters(`{"name":"b","resource":{"resourceType":"Patient","nick":"x"}}`), "Parameters.parameter[1].resource.nick", "structure", "no element"},
		{"text", `{"resourceType":"Parameters","text":{"status":"empty"}}`, "Parameters.text", "structure", "no element"},
	})
}
