package fhir

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patientXML is a Patient with that content.
func patientXML(content string) string {
	return `<Patient xmlns="http://hl7.org/fhir">` + content + `</Patient>`
}

// What XML says is what JSON says.
func TestParseXML(t *testing.T) {
	const root = `{"resourceType":"Patient"`
	for _, c := range []struct{ name, xml, json string }{
		{"nothing", patientXML(``), root + `}`},
		{"an empty tag", `<Patient xmlns="http://hl7.org/fhir"/>`, root + `}`},
		{"byte order mark", "\xef\xbb\xbf" + patientXML(``), root + `}`},
		{"XML declaration", "<?xml version=\"1.0\" encoding='utf-8' standalone=\"yes\" ?>\r\n" + patientXML(``) + "\n", root + `}`},
		{"a prefix", `<f:Patient xmlns:f="http://hl7.org/fhir"><f:active value="true"/></f:Patient>`, root + `,"active":true}`},
		{"schema location", `<Patient xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir ../x.xsd"><id value="1"/></Patient>`, root + `,"id":"1"}`},
		{"comments and instructions", "<!-- a --><?a b?>" + patientXML("<!-- <active value='true'/> --><?xml-stylesheet href='x'?>\n<gender value=\"male\"><!--b--></gender>") + "<!--c-->", root + `,"gender":"male"}`},
		{"end tag or none", patientXML(`<gender value="male"></gender><active value="true" />`), root + `,"active":true,"gender":"male"}`},
		{"order of elements", patientXML(`<birthDate value="1970"/><name><given value="A"/><use value="usual"/></name><active value="true"/><id value="1"/>`),
			root + `,"id":"1","active":true,"name":[{"use":"usual","given":["A"]}],"birthDate":"1970"}`},
		{"items that do not stand together", patientXML(`<name><text value="a"/></name><active value="true"/><name><text value="b"/></name>`),
			root + `,"active":true,"name":[{"text":"a"},{"text":"b"}]}`},
		{"numbers as text", `<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="1.00"/></valueQuantity></Observation>`,
			`{"resourceType":"Observation","valueQuantity":{"value":1.00}}`},
		{"numbers of another size", `<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="-1E3"/></valueQuantity></Observation>`,
			`{"resourceType":"Observation","valueQuantity":{"value":-1E3}}`},
		{"white space in a value", patientXML("<name><text value=' a&#x9;b&#10;c\td\r\ne&#xD; '/></name>"), root + `,"name":[{"text":" a\tb\nc d e\r "}]}`},
		{"references", patientXML(`<name><text value="&lt;&gt;&amp;&quot;&apos;&#233;&#x1F600;'"/></name>`), root + `,"name":[{"text":"<>&\"'é😀'"}]}`},
		{"id and extension of a primitive", patientXML(`<birthDate id="b" value="1970"><extension url="u"><valueString value="x"/></extension></birthDate>`),
			root + `,"birthDate":"1970","_birthDate":{"id":"b","extension":[{"url":"u","valueString":"x"}]}}`},
		{"extension alone", patientXML(`<birthDate><extension url="u"><valueBoolean value="false"/></extension></birthDate>`),
			root + `,"_birthDate":{"extension":[{"url":"u","valueBoolean":false}]}}`},
		{"parallel arrays", patientXML(`<name><given value="a"/><given id="x"/><given value="c"/></name>`),
			root + `,"name":[{"given":["a",null,"c"],"_given":[null,{"id":"x"},null]}]}`},
		{"parallel arrays, no value first", patientXML(`<name><given id="x"/><given id="y"/><given value="c"/></name>`),
			root + `,"name":[{"given":[null,null,"c"],"_given":[{"id":"x"},{"id":"y"},null]}]}`},
		{"id of an element", patientXML(`<name id="n"><text value="x"/></name>`), root + `,"name":[{"id":"n","text":"x"}]}`},
		{"url of an extension", patientXML(`<extension url="u" id="e"><valueCode value="x"/></extension>`), root + `,"extension":[{"id":"e","url":"u","valueCode":"x"}]}`},
		{"an element that says nothing", patientXML(`<birthDate/><name/>`), root + `,"name":[{}],"_birthDate":{}}`},
		{"contained", patientXML(`<contained><Organization><id value="o"/></Organization></contained><contained><Binary><content value="AA=="/></Binary></contained>`),
			root + `,"contained":[{"resourceType":"Organization","id":"o"},{"resourceType":"Binary","content":"AA=="}]}`},
		{"in a Bundle", `<Bundle xmlns="http://hl7.org/fhir"><entry><resource><Patient><active value="true"/></Patient></resource><response><outcome><OperationOutcome/></outcome></response></entry></Bundle>`,
			`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","active":true},"response":{"outcome":{"resourceType":"OperationOutcome"}}}]}`},
		{"in Parameters", `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="p"/><part><name value="q"/><resource><Patient/></resource></part></parameter></Parameters>`,
			`{"resourceType":"Parameters","parameter":[{"name":"p","part":[{"name":"q","resource":{"resourceType":"Patient"}}]}]}`},
		{"choice types", `<Observation xmlns="http://hl7.org/fhir"><effectiveDateTime value="2017"/><valueCodeableConcept><text value="x"/></valueCodeableConcept></Observation>`,
			`{"resourceType":"Observation","effectiveDateTime":"2017","valueCodeableConcept":{"text":"x"}}`},
		{"content reference", `<Questionnaire xmlns="http://hl7.org/fhir"><item><linkId value="1"/><item><linkId value="1.1"/><item><linkId value="1.1.1"/></item></item></item></Questionnaire>`,
			`{"resourceType":"Questionnaire","item":[{"linkId":"1","item":[{"linkId":"1.1","item":[{"linkId":"1.1.1"}]}]}]}`},
		{"content reference to another branch", `<Bundle xmlns="http://hl7.org/fhir"><entry><link><relation value="self"/><url value="u"/></link></entry></Bundle>`,
			`{"resourceType":"Bundle","entry":[{"link":[{"relation":"self","url":"u"}]}]}`},
		{"narrative", patientXML(`<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml" xml:lang="de" lang='de'>a &lt; <b>b</b><br/></div></text>`),
			root + `,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"de\" xml:lang=\"de\">a &lt; <b>b</b><br/></div>"}}`},
		{"narrative with a prefix", `<Patient xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><text><h:div>a<h:p>b</h:p></h:div></text></Patient>`,
			root + `,"text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a<p>b</p></div>"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseXML([]byte(c.xml))
			require.NoError(t, err)
			assert.Equal(t, c.json, string(AppendJSON(nil, o)))
			fromJSON, err := ParseJSON([]byte(c.json))
			require.NoError(t, err)
			assertEqual(t, fromJSON, o, "JSON and XML")
			for _, print := range []func([]byte, *Object) ([]byte, error){AppendXML, AppendXMLIndent} {
				text, err := print(nil, o)
				require.NoError(t, err)
				again, err := ParseXML(text)
				require.NoError(t, err, "%s", text)
				assert.Equal(t, o, again, "%s", text)
			}
		})
	}
}

func TestParseXMLErrors(t *testing.T) {
	for _, c := range []struct {
		name, text   string
		line, column int
		path, msg    string
	}{
		{"nothing", ``, 1, 1, "", "no element"},
		{"JSON", `{}`, 1, 1, "", "text is not allowed"},
		{"a comment alone", `<!-- x -->`, 1, 11, "", "no element"},
		{"it ends too early", "<Patient xmlns=\"http://hl7.org/fhir\">\n<name>", 2, 7, "Patient.name[0]", "ends within <name>"},
		{"two resources", patientXML(``) + "\n" + patientXML(``), 2, 1, "Patient", "something follows"},
		{"text behind", patientXML(``) + "x", 1, 48, "Patient", "text is not allowed"},
		{"unknown resource", `<Nonsense xmlns="http://hl7.org/fhir"/>`, 1, 1, "", "not a resource"},
		{"abstract resource", `<DomainResource xmlns="http://hl7.org/fhir"/>`, 1, 1, "", "not a resource"},
		{"a data type", `<HumanName xmlns="http://hl7.org/fhir"/>`, 1, 1, "", "not a resource"},
		{"resource without a namespace", `<Patient/>`, 1, 1, "", "namespace"},
		{"resource in another namespace", `<Patient xmlns="http://hl7.org/fhir/"/>`, 1, 1, "", "namespace"},
		{"element in another namespace", patientXML(`<name><text xmlns="urn:x" value="a"/></name>`), 1, 44, "Patient.name[0].text", "namespace"},
		{"element without a namespace", `<f:Patient xmlns:f="http://hl7.org/fhir"><active value="true"/></f:Patient>`, 1, 42, "Patient.active", "namespace"},
		{"inline resource in another namespace", patientXML(`<contained><Patient xmlns="urn:x"/></contained>`), 1, 49, "Patient.contained[0]", "namespace"},
		{"unknown element", patientXML("\n <name>\n  <nick value=\"x\"/></name>"), 3, 3, "Patient.name[0]", `has no element "nick"`},
		{"element of another type", patientXML(`<status value="final"/>`), 1, 38, "Patient", `has no element "status"`},
		{"choice without its type", patientXML(`<deceased value="true"/>`), 1, 38, "Patient", `has no element "deceased"`},
		{"choice of a type that it does not have", patientXML(`<deceasedString value="x"/>`), 1, 38, "Patient", `has no element`},
		{"element for an attribute", patientXML(`<name><id value="x"/></name>`), 1, 44, "Patient.name[0]", `has no element "id"`},
		{"JSON's sibling", patientXML(`<_active value="x"/>`), 1, 38, "Patient", `has no element`},
		{"resourceType", patientXML(`<resourceType value="Patient"/>`), 1, 38, "Patient", `has no element`},
		{"attribute of a resource", `<Patient xmlns="http://hl7.org/fhir" id="1"/>`, 1, 1, "Patient", `attribute "id"`},
		{"attribute of an element", patientXML(`<name use="usual"/>`), 1, 38, "Patient.name[0]", `attribute "use"`},
		{"attribute of a primitive", patientXML(`<active value="true" x="y"/>`), 1, 38, "Patient.active", `attribute "x"`},
		{"attribute in a namespace", patientXML(`<active xmlns:p="urn:p" p:value="true"/>`), 1, 38, "Patient.active", `attribute "value"`},
		{"attribute of the inline wrapper", patientXML(`<contained id="x"><Patient/></contained>`), 1, 38, "Patient.contained[0]", `attribute "id"`},
		{"value of a complex element", patientXML(`<name value="x"/>`), 1, 38, "Patient.name[0]", `attribute "value"`},
		{"element twice", patientXML(`<active value="true"/><active value="true"/>`), 1, 60, "Patient", `"active" occurs twice`},
		{"element twice, once without value", patientXML(`<active id="a"/><active value="true"/>`), 1, 54, "Patient", `"active" occurs twice`},
		{"text for a value", patientXML(`<gender>male</gender>`), 1, 46, "Patient.gender", "text is not allowed"},
		{"CDATA for a value", patientXML(`<gender><![CDATA[male]]></gender>`), 1, 46, "Patient.gender", "text is not allowed"},
		{"child of a primitive", patientXML(`<gender value="male"><coding/></gender>`), 1, 59, "Patient.gender", "has no element"},
		{"boolean", patientXML(`<active value="1"/>`), 1, 38, "Patient.active", "not a valid boolean"},
		{"number", patientXML(`<multipleBirthInteger value="+1"/>`), 1, 38, "Patient.multipleBirth", "not a valid integer"},
		{"number with space", patientXML(`<multipleBirthInteger value=" 1"/>`), 1, 38, "Patient.multipleBirth", "not a valid integer"},
		{"no resource contained", patientXML(`<contained> <!-- --> </contained>`), 1, 59, "Patient.contained[0]", "must hold a resource"},
		{"two resources contained", patientXML(`<contained><Patient/><Patient/></contained>`), 1, 59, "Patient.contained[0]", "only one resource"},
		{"narrative not XHTML", patientXML(`<text><div>a</div></text>`), 1, 44, "Patient.text.div", "namespace"},
		{"narrative not a div", patientXML(`<text><p xmlns="http://www.w3.org/1999/xhtml">a</p></text>`), 1, 44, "Patient.text", "has no element"},
		{"two narratives", patientXML(`<text><div xmlns="http://www.w3.org/1999/xhtml"/><div xmlns="http://www.w3.org/1999/xhtml"/></text>`), 1, 87, "Patient.text", "occurs twice"},
		{"foreign element in a narrative", patientXML(`<text><div xmlns="http://www.w3.org/1999/xhtml"><svg xmlns="urn:svg"/></div></text>`), 1, 86, "Patient.text.div", "namespace"},
		{"foreign attribute in a narrative", patientXML(`<text><div xmlns="http://www.w3.org/1999/xhtml" xmlns:p="urn:p" p:a="b"/></text>`), 1, 44, "Patient.text.div", "HTML's attributes only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseXML([]byte(c.text))
			assert.Nil(t, o)
			syntax := syntaxErrorOf(t, err)
			assert.Equal(t, [2]int{c.line, c.column}, [2]int{syntax.Line, syntax.Column}, "line and column: %v", err)
			assert.Equal(t, c.path, syntax.Path, "%v", err)
			assert.Contains(t, syntax.Msg, c.msg)
		})
	}
}

// What JSON can say and XML cannot is refused, with the place.
func TestAppendXMLErrors(t *testing.T) {
	for _, c := range []struct{ name, json, path, msg string }{
		{"no type", `{}`, "", "not a resource type"},
		{"unknown type", `{"resourceType":"Nonsense"}`, "", "not a resource type"},
		{"unknown member", `{"resourceType":"Patient","name":[{"nick":"x"}]}`, "Patient.name[0]", `has no element "nick"`},
		{"unknown sibling", `{"resourceType":"Patient","_name":[{"id":"x"}]}`, "Patient", `has no element "_name"`},
		{"sibling of an attribute", `{"resourceType":"Patient","name":[{"_id":{"id":"x"}}]}`, "Patient.name[0]", `has no element "_id"`},
		{"array for one", `{"resourceType":"Patient","active":[true]}`, "Patient.active", "cannot be an array"},
		{"one for an array", `{"resourceType":"Patient","name":{"text":"x"}}`, "Patient.name", "must be an array"},
		{"empty array", `{"resourceType":"Patient","name":[]}`, "Patient.name", "empty array"},
		{"string for an object", `{"resourceType":"Patient","name":["x"]}`, "Patient.name[0]", "must be an object"},
		{"object for a string", `{"resourceType":"Patient","gender":{"a":"x"}}`, "Patient.gender", "must be a JSON string"},
		{"string for a number", `{"resourceType":"Patient","multipleBirthInteger":"1"}`, "Patient.multipleBirth", "must be a JSON number"},
		{"string for a boolean", `{"resourceType":"Patient","active":"true"}`, "Patient.active", "must be a JSON boolean"},
		{"number for an attribute", `{"resourceType":"Patient","name":[{"id":1}]}`, "Patient.name[0]", `"id" must be a string`},
		{"string for the sibling", `{"resourceType":"Patient","_active":"x"}`, "Patient.active", "must be an object"},
		{"empty sibling", `{"resourceType":"Patient","active":true,"_active":{}}`, "Patient.active", `"_active" is empty`},
		{"null without a sibling", `{"resourceType":"Patient","name":[{"given":["a",null]}]}`, "Patient.name[0].given[1]", "null"},
		{"null for a resource", `{"resourceType":"Patient","contained":[null]}`, "Patient.contained[0]", "must be an object"},
		{"control character", `{"resourceType":"Patient","name":[{"text":"a\u0000"}]}`, "Patient.name[0].text", "cannot be written in XML"},
		{"no character of Unicode", `{"resourceType":"Patient","name":[{"text":"a\uffff"}]}`, "Patient.name[0].text", "cannot be written in XML"},
		{"narrative", `{"resourceType":"Patient","text":{"div":"<div>"}}`, "Patient.text.div", "namespace"},
		{"narrative of another type", `{"resourceType":"Patient","text":{"div":1}}`, "Patient.text.div", "must be a string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseJSON([]byte(c.json))
			require.NoError(t, err)
			text, err := AppendXML([]byte("before"), o)
			assert.Equal(t, "before", string(text), "nothing is printed")
			syntax := syntaxErrorOf(t, err)
			assert.Equal(t, c.path, syntax.Path)
			assert.Contains(t, syntax.Msg, c.msg)
			assert.Zero(t, syntax.Line)
		})
	}
}

func TestAppendXML(t *testing.T) {
	o, err := ParseJSON([]byte(`{"resourceType":"Patient","name":[{"given":["A","B"],"use":"usual"}],"id":"1","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">\n<p/></div>"}}`))
	require.NoError(t, err)
	text, err := AppendXML([]byte("-"), o)
	require.NoError(t, err)
	assert.Equal(t, `-<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="1"/><text><div xmlns="http://www.w3.org/1999/xhtml">`+
		"\n"+`<p></p></div></text><name><use value="usual"/><given value="A"/><given value="B"/></name></Patient>`, string(text))
	text, err = AppendXMLIndent(nil, o)
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSpace(`
<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir">
  <id value="1"/>
  <text>
    <div xmlns="http://www.w3.org/1999/xhtml">
<p></p></div>
  </text>
  <name>
    <use value="usual"/>
    <given value="A"/>
    <given value="B"/>
  </name>
</Patient>`), string(text))
}
