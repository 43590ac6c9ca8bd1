package fhir_test

import (
	"errors"
	"fmt"

	"example.org/ccde/mockehr/fhir"
)

func ExampleParseJSON() {
	o, err := fhir.ParseJSON([]byte(`{"resourceType":"Patient","id":"1","name":[{"given":["Ann","Zoë"]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Type(), o.ID(), o.Text("name", "given"))

	_, err = fhir.ParseJSON([]byte("{\"resourceType\":\"Patient\",\n \"name\":[{\"text\":null}]}"))
	fmt.Println(err)
	var syntax *fhir.SyntaxError
	fmt.Println(errors.As(err, &syntax), syntax.Line, syntax.Path)
	// Output:
	// Patient 1 Ann
	// line 2, column 18: Patient.name[0].text: null stands in arrays only; leave the member out
	// true 2 Patient.name[0].text
}

func ExampleAppendXML() {
	o := fhir.NewObject(
		fhir.Member{Name: "resourceType", Value: "Patient"},
		fhir.Member{Name: "birthDate", Value: "1970-01"},
		fhir.Member{Name: "name", Value: []*fhir.Object{fhir.NewObject(fhir.Member{Name: "given", Value: []string{"Ann", "Zoë"}})}},
	)
	text, err := fhir.AppendXMLIndent(nil, o)
	fmt.Println(string(text), err)

	o.Set("nick", "A.")
	_, err = fhir.AppendXML(nil, o)
	fmt.Println(err)
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <Patient xmlns="http://hl7.org/fhir">
	//   <name>
	//     <given value="Ann"/>
	//     <given value="Zoë"/>
	//   </name>
	//   <birthDate value="1970-01"/>
	// </Patient> <nil>
	// Patient: Patient has no element "nick"
}

func ExampleValidate() {
	o, err := fhir.ParseJSON([]byte(`{"resourceType":"Observation","status":"done","subject":{"reference":"Practitioner/1"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, issue := range fhir.Validate(o) {
		fmt.Println(issue.Severity, issue.Code, issue.Expression)
		fmt.Println("  " + issue.Diagnostics)
	}
	// Output:
	// error code-invalid [Observation.status]
	//   Observation.status: "done" is not a code of http://hl7.org/fhir/ValueSet/observation-status, which has amended, cancelled, corrected, entered-in-error, final, preliminary, registered, unknown
	// error structure [Observation.subject.reference]
	//   Observation.subject.reference: "Practitioner/1" points to a Practitioner, but only Patient, Group, Device, Location is allowed here
	// error required [Observation.code]
	//   Observation.code: "code" must be given
}
