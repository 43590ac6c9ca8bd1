package fhir

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the specification gives as an example is valid.
func TestValidateExamples(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			o, err := ParseJSON(e.json)
			require.NoError(t, err)
			for _, issue := range Validate(o) {
				assert.Equal(t, "warning", issue.Severity, "%s: %s", issue.Code, issue.Diagnostics)
			}
		})
	}
	assert.NotEmpty(t, examples(t))
}

// invalid is a resource with one thing wrong; without a code, it is a good one.
type invalid struct {
	name, json       string
	expression, code string
	says             string // part of the message
}

func testInvalid(t *testing.T, rows []invalid) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			issues := Validate(parse(t, row.json))
			if row.code == "" {
				assert.Empty(t, issues)
				return
			}
			require.Len(t, issues, 1, "%v", issues)
			issue := issues[0]
			assert.Equal(t, "error", issue.Severity)
			assert.Equal(t, row.code, issue.Code, issue.Diagnostics)
			if row.expression == "" {
				assert.Empty(t, issue.Expression)
			} else {
				assert.Equal(t, []string{row.expression}, issue.Expression, issue.Diagnostics)
			}
			assert.Contains(t, issue.Diagnostics, row.says)
		})
	}
}

// patient is a Patient with these members more.
func patient(members string) string { return `{"resourceType":"Patient",` + members + `}` }

func TestValidateStructure(t *testing.T) {
	testInvalid(t, []invalid{
		{"good", patient(`"id":"1","active":true,"name":[{"family":"Bee","given":["Ann",null],"_given":[null,{"id":"x"}]}]`), "", "", ""},
		{"no resourceType", `{"id":"1"}`, "", "required", "resourceType"},
		{"resourceType no string", `{"resourceType":1}`, "", "structure", "must be a string"},
		{"unknown resourceType", `{"resourceType":"Nonsense"}`, "Nonsense", "value", "not a resource type"},
		{"abstract resourceType", `{"resourceType":"DomainResource"}`, "DomainResource", "value", "not a resource type"},
		{"a data type", `{"resourceType":"HumanName"}`, "HumanName", "value", "not a resource type"},
		{"unknown element", patient(`"name":[{"text":"x"},{"nick":"Bee"}]`), "Patient.name[1].nick", "structure", `HumanName has no element "nick"`},
		{"unknown element of a backbone", patient(`"contact":[{"nick":"Bee"}]`), "Patient.contact[0].nick", "structure", `no element "nick"`},
		{"wrong case", patient(`"birthdate":"1970"`), "Patient.birthdate", "structure", `"birthDate" is meant?`},
		{"resourceType within", patient(`"name":[{"resourceType":"HumanName","text":"x"}]`), "Patient.name[0].resourceType", "structure", "no element"},
		{"unknown sibling", patient(`"_name":[{"id":"x"}]`), "Patient._name", "structure", "no element"},
		{"sibling of an attribute", patient(`"name":[{"text":"x","_id":{"id":"x"}}]`), "Patient.name[0]._id", "structure", "no element"},
		{"sibling of a narrative", patient(`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>","_div":{"id":"x"}}`), "Patient.text._div", "structure", "no element"},
		{"modifierExtension where none is", patient(`"name":[{"modifierExtension":[{"url":"u","valueCode":"x"}]}]`), "Patient.name[0].modifierExtension", "structure", "no element"},

		{"missing element", `{"resourceType":"Observation","code":{"text":"x"}}`, "Observation.status", "required", `"status" must be given`},
		{"missing element of a data type", patient(`"extension":[{"valueCode":"x"}]`), "Patient.extension[0].url", "required", `"url" must be given`},
		{"missing element of a backbone", patient(`"communication":[{"preferred":true}]`), "Patient.communication[0].language", "required", "must be given"},
		{"missing choice", `{"resourceType":"MedicationStatement","status":"active","taken":"y","subject":{"reference":"Patient/1"}}`,
			"MedicationStatement.medication", "required", "medication[x] (medicationCodeableConcept, medicationReference) must be given"},
		{"an extension may stand for a value", `{"resourceType":"Observation","_status":{"extension":[{"url":"u","valueCode":"x"}]},"code":{"text":"x"}}`, "", "", ""},
		{"array for one", patient(`"birthDate":["1970"]`), "Patient.birthDate", "structure", "cannot be an array"},
		{"array of objects for one", patient(`"maritalStatus":[{"text":"x"}]`), "Patient.maritalStatus", "structure", "cannot be an array"},
		{"array of siblings for one", patient(`"_birthDate":[{"id":"x"}]`), "Patient.birthDate", "structure", "cannot be an array"},
		{"one for an array", patient(`"name":{"text":"x"}`), "Patient.name", "structure", "must be an array"},
		{"one for an array of strings", patient(`"name":[{"given":"x"}]`), "Patient.name[0].given", "structure", "must be an array"},
		{"one sibling for an array", patient(`"name":[{"given":["x"],"_given":{"id":"x"}}]`), "Patient.name[0].given", "structure", "must be an array"},

		{"empty object", patient(`"maritalStatus":{}`), "Patient.maritalStatus", "structure", "leave it out"},
		{"empty object in an array", patient(`"name":[{"text":"x"},{}]`), "Patient.name[1]", "structure", "leave it out"},
		{"empty sibling", patient(`"birthDate":"1970","_birthDate":{}`), "Patient.birthDate", "structure", "leave it out"},
		{"empty resource", `{"resourceType":"Patient"}`, "", "", ""},
		{"empty array", patient(`"name":[]`), "Patient.name", "structure", "cannot be empty"},
		{"empty array of siblings", patient(`"name":[{"given":["x"],"_given":[]}]`), "Patient.name[0].given", "structure", "cannot be empty"},
		{"null without a sibling", patient(`"name":[{"given":["a",null]}]`), "Patient.name[0].given[1]", "structure", "null"},
		{"null on both sides", patient(`"name":[{"given":["a",null],"_given":[{"id":"x"},null]}]`), "Patient.name[0].given[1]", "structure", "null"},
		{"null for an object", patient(`"name":[null]`), "Patient.name[0]", "structure", "must be an object, not null"},
		{"siblings too few", patient(`"name":[{"given":["a","b"],"_given":[{"id":"x"}]}]`), "Patient.name[0].given", "structure", `"given" has 2 items and "_given" has 1`},
		{"siblings too many", patient(`"name":[{"given":["a"],"_given":[{"id":"x"},{"id":"y"}]}]`), "Patient.name[0].given", "structure", `"given" has 1 items and "_given" has 2`},
		{"siblings alone", patient(`"name":[{"_given":[{"id":"x"},{"id":"y"}]}]`), "", "", ""},

		{"string for an object", patient(`"maritalStatus":"M"`), "Patient.maritalStatus", "structure", "must be an object, not a string"},
		{"object for a string", patient(`"gender":{"value":"male"}`), "Patient.gender", "structure", "must be a JSON string (type code), not an object"},
		{"number for a string", patient(`"birthDate":1970`), "Patient.birthDate", "structure", "must be a JSON string (type date), not a number"},
		{"string for a number", patient(`"multipleBirthInteger":"1"`), "Patient.multipleBirth", "structure", "must be a JSON number (type integer), not a string"},
		{"string for a boolean", patient(`"active":"true"`), "Patient.active", "structure", "must be a JSON boolean (type boolean), not a string"},
		{"boolean for a string", patient(`"language":true`), "Patient.language", "structure", "not a boolean"},
		{"string for a sibling", patient(`"_active":"x"`), "Patient.active", "structure", `"_active" must be an object`},
		{"value in a sibling", patient(`"active":true,"_active":{"value":true}`), "Patient.active.value", "structure", "no element"},
		{"number for a resource", patient(`"contained":[1]`), "Patient.contained[0]", "structure", "must be an object, not a number"},

		{"two of a choice", patient(`"deceasedBoolean":true,"deceasedDateTime":"2001"`), "Patient.deceased", "structure", `only one of deceased[x] (deceasedBoolean, deceasedDateTime) is allowed`},
		{"two of a choice, one an extension", patient(`"deceasedBoolean":true,"_deceasedDateTime":{"id":"x"}`), "Patient.deceased", "structure", "only one of"},
		{"choice without its type", patient(`"deceased":true`), "Patient.deceased", "structure", "the name must tell the type"},
		{"choice of a type that it does not have", patient(`"deceasedString":"x"`), "Patient.deceasedString", "structure", "no element"},
		{"one of a choice, twice on both sides", patient(`"deceasedBoolean":true,"_deceasedBoolean":{"id":"x"}`), "", "", ""},

		{"extension with neither", patient(`"extension":[{"url":"u"}]`), "Patient.extension[0]", "invariant", "ext-1"},
		{"extension with both", patient(`"extension":[{"url":"u","valueCode":"x","extension":[{"url":"v","valueCode":"x"}]}]`), "Patient.extension[0]", "invariant", "not both"},
		{"extension with a value that is one", patient(`"extension":[{"url":"u","_valueCode":{"id":"x"}}]`), "", "", ""},
		{"extension of a primitive", patient(`"_birthDate":{"extension":[{"url":"u"}]}`), "Patient.birthDate.extension[0]", "invariant", "ext-1"},
		{"content reference", `{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"group","item":[{"type":"group"}]}]}]}`,
			"Questionnaire.item[0].item[0].item[0].linkId", "required", "must be given"},

		{"quantity", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1,"code":"mm"}}`, "Observation.value", "invariant", "qty-3"},
		{"duration", `{"resourceType":"Encounter","status":"planned","length":{"value":1,"code":"h"}}`, "Encounter.length", "invariant", "qty-3"},
		{"simple quantity", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"referenceRange":[{"low":{"value":1,"comparator":"<"}}]}`,
			"Observation.referenceRange[0].low.comparator", "structure", "no comparator"},
		{"period", patient(`"name":[{"text":"x","period":{"start":"2017-02","end":"2017-01-31"}}]`), "Patient.name[0].period", "invariant", "per-1"},
		{"period of one day", patient(`"name":[{"text":"x","period":{"start":"2017-02-03","end":"2017-02"}}]`), "", "", ""},
		{"period, a date and a time of another zone", patient(`"name":[{"text":"x","period":{"start":"2017-02-01T02:00:00Z","end":"2017-01-31"}}]`), "", "", ""},
		{"period, a date and a time", patient(`"name":[{"text":"x","period":{"start":"2017-02-01T15:00:00Z","end":"2017-01-31"}}]`), "Patient.name[0].period", "invariant", "per-1"},
		{"period of an instant", patient(`"name":[{"text":"x","period":{"start":"2017-02-01T15:00:00Z","end":"2017-02-01T16:00:00+01:00"}}]`), "", "", ""},
		{"attachment", patient(`"photo":[{"data":"AA=="}]`), "Patient.photo[0]", "invariant", "att-1"},
	})
}

func TestValidateCodes(t *testing.T) {
	observation := func(members string) string {
		return `{"resourceType":"Observation","code":{"text":"x"},` + members + `}`
	}
	outcome := func(members string) string { return `{"resourceType":"AdverseEvent","outcome":{` + members + `}}` }
	plan := func(members string) string {
		return `{"resourceType":"PlanDefinition","status":"draft","action":[{"type":{` + members + `}}]}`
	}
	testInvalid(t, []invalid{
		{"code", observation(`"status":"done"`), "Observation.status", "code-invalid", "observation-status, which has amended, cancelled"},
		{"code, wrong case", observation(`"status":"Final"`), "Observation.status", "code-invalid", `"Final" is not a code of`},
		{"code of a large set", `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"wrong"}]}`, "OperationOutcome.issue[0].code", "code-invalid", `"wrong" is not a code of http://hl7.org/fhir/ValueSet/issue-type`},
		{"code that is abstract", `{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"question"}]}`, "Questionnaire.item[0].type", "code-invalid", `"question" is not a code of`},
		{"code with an extension", observation(`"status":"final","_status":{"id":"x"}`), "", "", ""},
		{"code in an array", `{"resourceType":"Location","_status":{"id":"x"},"mode":"kind","telecom":[{"system":"phone","value":"1","use":"x"}]}`, "Location.telecom[0].use", "code-invalid", "contact-point-use"},
		{"extensible binding", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"category":[{"coding":[{"system":"u","code":"mine"}]}]}`, "", "", ""},
		{"set that is not enumerated", patient(`"photo":[{"contentType":"no/such","url":"http://x.org/1"}]`), "", "", ""},

		{"concept", outcome(`"coding":[{"system":"http://hl7.org/fhir/adverse-event-outcome","code":"fatal"}]`), "", "", ""},
		{"concept, one coding of several", outcome(`"coding":[{"system":"u","code":"x"},{"system":"http://hl7.org/fhir/adverse-event-outcome","code":"fatal"}]`), "", "", ""},
		{"concept, another code", outcome(`"coding":[{"system":"http://hl7.org/fhir/adverse-event-outcome","code":"bad"}]`), "AdverseEvent.outcome", "code-invalid", `"bad" of system "http://hl7.org/fhir/adverse-event-outcome" is not of`},
		{"concept, another system", outcome(`"coding":[{"system":"u","code":"fatal"}]`), "AdverseEvent.outcome", "code-invalid", `"fatal" of system "u" is not of`},
		{"concept, text alone", outcome(`"text":"she died"`), "AdverseEvent.outcome", "code-invalid", "a coding of http://hl7.org/fhir/ValueSet/adverse-event-outcome is needed"},
		{"coding", plan(`"system":"http://hl7.org/fhir/action-type","code":"create"`), "", "", ""},
		{"coding, another code", plan(`"system":"http://hl7.org/fhir/action-type","code":"make"`), "PlanDefinition.action[0].type", "code-invalid", `"make" of system`},
	})

	// The specification's own examples have these.
	for text, at := range map[string]string{
		`{"resourceType":"Claim","accident":{"date":"2017","type":{"coding":[{"system":"http://hl7.org/fhir/v3/ActIncidentCode","code":"MVA"}]}}}`:        "Claim.accident.type",
		`{"resourceType":"DeviceRequest","intent":{"coding":[{"code":"original-order"}]},"codeCodeableConcept":{"text":"x"},"subject":{"display":"she"}}`: "DeviceRequest.intent",
	} {
		issues := Validate(parse(t, text))
		require.Len(t, issues, 1)
		assert.Equal(t, "warning", issues[0].Severity)
		assert.Equal(t, "code-invalid", issues[0].Code)
		assert.Equal(t, []string{at}, issues[0].Expression)
	}
}

func TestValidateReferences(t *testing.T) {
	subject := func(reference string) string {
		return `{"resourceType":"Condition","subject":{"reference":"` + reference + `"}}`
	}
	const at = "Condition.subject.reference"
	testInvalid(t, []invalid{
		{"relative", subject(`Patient/1`), "", "", ""},
		{"with a version", subject(`Patient/1/_history/2`), "", "", ""},
		{"absolute", subject(`http://x.org/r3/Patient/1`), "", "", ""},
		{"absolute, not FHIR's", subject(`https://x.org/people?id=1`), "", "", ""},
		{"urn", subject(`urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0`), "", "", ""},
		{"text alone", `{"resourceType":"Condition","subject":{"display":"she"}}`, "", "", ""},
		{"type that is not allowed", subject(`Practitioner/1`), at, "structure", "points to a Practitioner, but only Patient, Group is allowed"},
		{"type that is not allowed, absolute", subject(`http://x.org/r3/Practitioner/1`), at, "structure", "points to a Practitioner"},
		{"unknown type", subject(`Person1/1`), at, "value", "not a reference"},
		{"an id alone", subject(`1`), at, "value", "not a reference"},
		{"id that is none", subject(`Patient/a_b`), at, "value", "not a reference"},
		{"no id", subject(`Patient/`), at, "value", "not a reference"},
		{"a path in front", subject(`r3/Patient/1`), at, "value", "not a reference"},
		{"white space", subject(`Patient/1 `), at, "value", "white space"},
		{"not a URL", subject(`http://x:y:z/Patient/1`), at, "value", "not a valid URL"},
		{"a search", subject(`Patient?identifier=1`), at, "value", "within a transaction only"},
		{"empty", subject(``), at, "value", "cannot be empty"},
		{"any type", `{"resourceType":"Provenance","target":[{"reference":"Slot/1"}],"recorded":"2017-01-01T00:00:00Z","agent":[{"whoUri":"u"}]}`, "", "", ""},
	})
}

func TestValidateContained(t *testing.T) {
	condition := func(contained, subject string) string {
		if contained != "" {
			contained = `,"contained":[` + contained + `]`
		}
		return `{"resourceType":"Condition"` + contained + `,"subject":{"reference":"` + subject + `"}}`
	}
	const in = `{"resourceType":"Patient","id":"p"}`
	testInvalid(t, []invalid{
		{"good", condition(in, "#p"), "", "", ""},
		{"nothing of that id", condition("", "#p"), "Condition.subject.reference", "invariant", "ref-1"},
		{"no id", condition(`{"resourceType":"Patient"}`, "Patient/1"), "Condition.contained[0].id", "required", "needs an id"},
		{"an id twice", condition(in+","+in, "#p"), "Condition.contained[1].id", "invariant", "another contained resource"},
		{"another type", condition(`{"resourceType":"Device","id":"p"}`, "#p"), "Condition.subject.reference", "structure", "points to a Device"},
		{"not referred to", condition(in, "Patient/1"), "Condition.contained[0]", "invariant", "dom-3"},
		{"referred to by a uri", `{"resourceType":"Condition","contained":[` + in + `],"extension":[{"url":"u","valueUri":"#p"}],"subject":{"reference":"Patient/1"}}`, "", "", ""},
		{"refers to its container", condition(`{"resourceType":"Provenance","id":"p","target":[{"reference":"#"}],"recorded":"2017-01-01T00:00:00Z","agent":[{"whoUri":"u"}]}`, "Patient/1"), "", "", ""},
		{"referred to by another", condition(`{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"#p"}}]},`+in, "#g"), "", "", ""},
		{"contained within", condition(`{"resourceType":"Patient","id":"p","contained":[{"resourceType":"Patient","id":"q"}]}`, "#p"), "Condition.contained[0].contained", "invariant", "dom-2"},
		{"narrative", condition(`{"resourceType":"Patient","id":"p","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}}`, "#p"), "Condition.contained[0].text", "invariant", "dom-1"},
		{"version", condition(`{"resourceType":"Patient","id":"p","meta":{"versionId":"1"}}`, "#p"), "Condition.contained[0].meta.versionId", "invariant", "dom-4"},
		{"lastUpdated", condition(`{"resourceType":"Patient","id":"p","meta":{"lastUpdated":"2017-01-01T00:00:00Z"}}`, "#p"), "Condition.contained[0].meta.lastUpdated", "invariant", "dom-4"},
		{"unknown type", condition(`{"resourceType":"Nonsense","id":"p"}`, "#p"), "Condition.contained[0]", "value", "not a resource type"},
		{"its own elements", condition(`{"resourceType":"Patient","id":"p","gender":"m"}`, "#p"), "Condition.contained[0].gender", "code-invalid", "administrative-gender"},
		{"in a Bundle each has its own", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + condition(in, "#p") + `},{"resource":{"resourceType":"Condition","subject":{"reference":"#p"}}}]}`,
			"Bundle.entry[1].resource.subject.reference", "invariant", `nothing is contained in the Condition with the id "p" (ref-1)`},
	})
}

// A text that is wrong everywhere does not make a report without end.
func TestValidateStopsAtEnough(t *testing.T) {
	const n = 100_000
	var bad []string
	for i := range n {
		bad = append(bad, fmt.Sprintf(`"x%d":1`, i))
	}
	for name, text := range map[string]string{
		"members": patient(strings.Join(bad, ",")),
		"items":   patient(`"name":[` + strings.Repeat(`{"given":1},`, n) + `{"text":"x"}]`),
		"entries": `{"resourceType":"Bundle","type":"searchset","entry":[` + strings.Repeat(`{"fullUrl":"x"},`, n) + `{}]}`,
	} {
		o := parse(t, text)
		start := time.Now()
		issues := Validate(o)
		assert.Less(t, time.Since(start), time.Second, name)
		require.Len(t, issues, maxIssues+1, name)
		assert.Equal(t, "information", issues[maxIssues].Severity)
	}
	assert.Len(t, Validate(nil), 1)
}
