package fhir

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every alternative of every expression leads somewhere.
func TestSearchParamsCompile(t *testing.T) {
	n := 0
	for _, row := range searchParamRows() {
		if row.Resource == "Resource" || row.Resource == "DomainResource" || row.Type == "composite" || row.Usage == "nearby" || row.Usage == "distance" {
			continue
		}
		p, ok := ParamOf(row.Resource, row.Code)
		if assert.True(t, ok, "%s %s", row.Resource, row.Code) {
			assert.Len(t, p.paths, strings.Count(row.Expression, " | ")+1, "%s %s: %s", row.Resource, row.Code, row.Expression)
			n++
		}
	}
	assert.Greater(t, n, 330)
	for _, row := range compartmentRows() {
		if row.Expression != "" {
			assert.Len(t, compileExpression(row.Resource, row.Expression), strings.Count(row.Expression, " | ")+1, row.Expression)
		}
	}
	for _, code := range []string{"_id", "_lastUpdated", "_tag", "_profile", "_security"} {
		_, ok := ParamOf("Binary", code)
		assert.True(t, ok, code)
	}
	for _, code := range []string{"_text", "_content", "code-value-quantity", "near", "nonsense", ""} {
		_, ok := ParamOf("Observation", code)
		assert.False(t, ok, code)
	}
	assert.Nil(t, SearchParams("Nonsense"))
	p, ok := ParamOf("CarePlan", "patient")
	assert.True(t, ok, "a type outside the table has its compartment's parameters")
	assert.Equal(t, []string{"Patient"}, p.Targets)
}

// show is a Value in short.
func show(p SearchParam, v Value) string {
	day := func(at time.Time) string {
		if at.IsZero() {
			return "open"
		}
		return strings.TrimSuffix(at.Format(time.RFC3339Nano), "T00:00:00Z")
	}
	switch p.Type {
	case "token":
		if v.Bare {
			return v.Code
		}
		return v.System + "|" + v.Code
	case "date":
		return day(v.Start) + " to " + day(v.End)
	case "number", "quantity":
		return strings.TrimRight(fmt.Sprintf("%v..%v %s|%s|%s", v.Low, v.High, v.System, v.Code, v.Text), " |")
	}
	return v.Text
}

func TestExtract(t *testing.T) {
	const patient = `{"resourceType":"Patient","id":"1","meta":{"tag":[{"system":"s","code":"t"}],"profile":["http://p"]},"active":false,
		"name":[{"text":"Dr. Ann Bee","family":"Bee","given":["Ann","Zoë"],"_given":[null,{"id":"x"}],"prefix":["Dr."]}],"gender":"female","birthDate":"1970-05",
		"identifier":[{"system":"urn:x","value":"12","type":{"coding":[{"system":"a","code":"MR"}]}},{"value":"13"}],
		"telecom":[{"system":"phone","value":"555","use":"home"},{"system":"email","value":"a@b"}],
		"address":[{"line":["1 Way"],"city":"Ulm","use":"work"}],"managingOrganization":{"reference":"Organization/1"},
		"link":[{"other":{"reference":"#in"}},{"other":{"display":"x"}}]`
	const observation = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6"},{"code":"x"}],"text":"t"},
		"subject":{"reference":"Patient/1"},"effectivePeriod":{"start":"2017-01-01"},"valueQuantity":{"value":1.50,"unit":"mm","system":"u","code":"mm[Hg]","comparator":"<"},
		"component":[{"code":{"coding":[{"code":"c"}]},"valueQuantity":{"value":2}},{"code":{"coding":[{"code":"d"}]},"valueCodeableConcept":{"coding":[{"code":"v"}]}}]}`
	for _, c := range []struct {
		text, code string
		want       []string
	}{
		{patient + `}`, "_id", []string{"1"}},
		{patient + `}`, "_tag", []string{"s|t"}},
		{patient + `}`, "_profile", []string{"http://p"}},
		{patient + `}`, "active", []string{"false"}},
		{patient + `}`, "name", []string{"Dr. Ann Bee", "Bee", "Ann", "Zoë", "Dr."}},
		{patient + `}`, "given", []string{"Ann", "Zoë"}},
		{patient + `}`, "gender", []string{"female"}},
		{patient + `}`, "birthdate", []string{"1970-05-01 to 1970-06-01"}},
		{patient + `}`, "identifier", []string{"urn:x|12", "|13"}},
		{patient + `}`, "telecom", []string{"phone|555", "home|555", "email|a@b"}},
		{patient + `}`, "phone", []string{"phone|555", "home|555"}},
		{patient + `}`, "email", []string{"email|a@b"}},
		{patient + `}`, "address", []string{"1 Way", "Ulm"}},
		{patient + `}`, "address-use", []string{"work"}},
		{patient + `}`, "organization", []string{"Organization/1"}},
		{patient + `}`, "link", nil},
		{patient + `}`, "deceased", []string{"false"}},
		{patient + `,"deceasedBoolean":false}`, "deceased", []string{"false"}},
		{patient + `,"deceasedBoolean":true}`, "deceased", []string{"true"}},
		{patient + `,"deceasedDateTime":"2001"}`, "deceased", []string{"true"}},
		{patient + `,"deceasedDateTime":"2001"}`, "death-date", []string{"2001-01-01 to 2002-01-01"}},
		{observation, "code", []string{"http://loinc.org|8480-6", "|x"}},
		{observation, "combo-code", []string{"http://loinc.org|8480-6", "|x", "|c", "|d"}},
		{observation, "status", []string{"final"}},
		{observation, "patient", []string{"Patient/1"}},
		{observation, "date", []string{"2017-01-01 to open"}},
		{observation, "value-quantity", []string{"-Inf..1.5 u|mm[Hg]|mm"}},
		{observation, "combo-value-quantity", []string{"-Inf..1.5 u|mm[Hg]|mm", "2..2"}},
		{observation, "component-value-concept", []string{"|v"}},
		{observation, "value-string", nil},
		{`{"resourceType":"Observation","valueString":"up"}`, "value-string", []string{"up"}},
		{`{"resourceType":"Observation","valueDateTime":"2017-01-01T10:00:00+01:00"}`, "value-date", []string{"2017-01-01T09:00:00Z to 2017-01-01T09:00:01Z"}},
		{`{"resourceType":"Observation","effectiveDateTime":"nonsense"}`, "date", nil},
		{`{"resourceType":"Condition","abatementAge":{"value":7,"unit":"a"}}`, "abatement-boolean", []string{"true"}},
		{`{"resourceType":"Condition","abatementBoolean":true}`, "abatement-boolean", []string{"true"}},
		{`{"resourceType":"Condition","abatementBoolean":false}`, "abatement-boolean", []string{"false"}},
		{`{"resourceType":"Condition"}`, "abatement-boolean", nil},
		{`{"resourceType":"Condition","onsetRange":{"low":{"value":1,"code":"a"},"high":{"value":3}}}`, "onset-age", []string{"1..3 |a"}},
		{`{"resourceType":"Consent","except":[{"actor":[{"role":{},"reference":{"reference":"Device/1"}}]}]}`, "actor", []string{"Device/1"}},
		{`{"resourceType":"Coverage","grouping":{"groupDisplay":"no","plan":"p"}}`, "group", nil},
		{`{"resourceType":"Coverage","grouping":{"groupDisplay":"no","plan":"p"}}`, "plan", []string{"p"}},
		{`{"resourceType":"MedicationRequest","medicationReference":{"reference":"Medication/1"},"dosageInstruction":[{"timing":{"event":["2017","2018-02-03"]}}]}`, "medication", []string{"Medication/1"}},
		{`{"resourceType":"MedicationRequest","medicationCodeableConcept":{"coding":[{"code":"a"}]}}`, "code", []string{"|a"}},
		{`{"resourceType":"MedicationRequest","dosageInstruction":[{"timing":{"event":["2017","2018-02-03"]}}]}`, "date", []string{"2017-01-01 to 2018-01-01", "2018-02-03 to 2018-02-04"}},
		{`{"resourceType":"Encounter","length":{"value":30,"unit":"min"}}`, "length", []string{"30..30 ||min"}},
		{`{"resourceType":"Immunization","vaccinationProtocol":[{"doseSequence":2}]}`, "dose-sequence", []string{"2..2"}},
		{`{"resourceType":"DocumentReference","content":[{"attachment":{"url":"Binary/1"}}]}`, "location", []string{"Binary/1"}},
		{`{"resourceType":"Device","type":{"text":"lamp","coding":[{"display":"Lamp"}]}}`, "device-name", []string{"lamp", "Lamp"}},
		// What isn't valid yields nothing, and no panic.
		{`{"resourceType":"Observation","code":"x","subject":"y","effectivePeriod":[],"valueQuantity":{"value":"many"},"component":{"code":7}}`, "combo-value-quantity", nil},
		{`{"resourceType":"Observation","code":["x",{"coding":[7]}],"subject":{"reference":9}}`, "patient", nil},
	} {
		o, err := ParseJSON([]byte(c.text))
		require.NoError(t, err, c.text)
		p, ok := ParamOf(o.Type(), c.code)
		require.True(t, ok, c.code)
		var got []string
		for _, v := range p.Extract(o) {
			got = append(got, show(p, v))
		}
		assert.Equal(t, c.want, got, "%s of %s", c.code, c.text)
	}
}

func TestCodeSystems(t *testing.T) {
	p, _ := ParamOf("Patient", "gender")
	assert.Equal(t, []string{"http://hl7.org/fhir/administrative-gender"}, p.CodeSystems())
	p, _ = ParamOf("Observation", "code")
	assert.Empty(t, p.CodeSystems())
}

// Of the official examples every parameter can be extracted, and most have values.
func TestExtractExamples(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/stu3/examples/json/*.json")
	if len(files) == 0 {
		t.Skip("the official examples are not here: ../shared/stu3/examples beside the project")
	}
	used := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		o, err := ParseJSON(data)
		require.NoError(t, err, file)
		for _, p := range SearchParams(o.Type()) {
			for _, v := range p.Extract(o) {
				used[o.Type()+"."+p.Code] = true
				_, err := json.Marshal(show(p, v))
				assert.NoError(t, err)
			}
		}
		CompartmentPatients(o)
	}
	assert.Greater(t, len(used), 200, "parameters with values")
}
