package fhir

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The seeds of all that reads JSON: of each shape one.
var jsonSeeds = []string{
	`{"resourceType":"Patient","id":"1","active":true,"name":[{"use":"usual","given":["a",null,"c"],"_given":[null,{"id":"x"},null]}],"birthDate":"1970-01","_birthDate":{"extension":[{"url":"u","valueString":"x"}]}}`,
	`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"de\">a &lt;<br/><b title='\"'>b</b><!-- c --><![CDATA[<]]></div>"},"multipleBirthInteger":2}`,
	`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"x"}]},"valueQuantity":{"value":1.00,"comparator":"<","system":"u","code":"mm"},"effectivePeriod":{"start":"2017-01-01T00:00:00Z","end":"2018"}}`,
	`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"1"},"request":{"method":"POST","url":"Patient"}}],"link":[{"relation":"self","url":"u"}]}`,
	`{"resourceType":"Bundle","type":"history","entry":[{"response":{"status":"200","outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}}}]}`,
	`{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","valueBase64Binary":"AA=="}]},{"name":"c","resource":{"resourceType":"Binary","contentType":"x/y"}}]}`,
	`{"resourceType":"Condition","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"},"asserter":{"reference":"Patient?a=b"}}`,
	`{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"string","initialUri":"\u0000\ud83d\ude00"}]}]}`,
	`{"a":[1.0,-1E3,"\u00e9\\"],"b":[{},[]],"c":null}`,
	`{"resourceType":"Nonsense","\u0000":"x"}`,
	`{"resourceType":"Condition","id":"\u0001","subject":{"reference":"#\u0001"},"contained":[{"resourceType":"\u0001","id":"\u0001"},{"resourceType":"Patient","id":"\u0001"}]}`,
	`{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://x/Patient/1","resource":{"resourceType":"\u0001","id":"\u0001"}}]}`,
	"\xef\xbb\xbf{}",
	`[1,2`,
}

var xmlSeeds = []string{
	`<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="1"/><name id="n"><given value="a"/><given id="x"/></name><active value="true"/><birthDate value="1970"><extension url="u"><valueString value=" a&#x9;b&lt;&#13;"/></extension></birthDate></Patient>`,
	`<Patient xmlns="http://hl7.org/fhir"><text><status value="generated"/><h:div xmlns:h="http://www.w3.org/1999/xhtml" xml:lang="de">a &lt;<h:br/><h:b title='"'>b</h:b><!-- c --><![CDATA[<]]><?d e?></h:div></text></Patient>`,
	`<f:Bundle xmlns:f="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"><f:type value="batch"/><f:entry><f:resource><f:Patient/></f:resource></f:entry></f:Bundle>`,
	`<Observation xmlns="http://hl7.org/fhir"><!-- a --><valueQuantity><value value="1.00"/></valueQuantity><contained><Patient><birthDate/></Patient></contained></Observation>`,
	`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`,
	`<a b='c' xmlns:p="u" p:b="d">&amp;&#65;&#x42;<p:e/>]]&gt;</a>`,
	"\xef\xbb\xbf<a/>",
}

// mustBeSyntax checks that an error of a parser is one that a person can act on.
func mustBeSyntax(t *testing.T, err error) {
	t.Helper()
	var syntax *SyntaxError
	require.True(t, errors.As(err, &syntax), "%T: %v", err, err)
	assert.Positive(t, syntax.Line)
	assert.Positive(t, syntax.Column)
	assert.NotEmpty(t, syntax.Msg)
}

// What is read as JSON and printed again says the same.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseJSON(data)
		if err != nil {
			assert.Nil(t, o)
			mustBeSyntax(t, err)
			return
		}
		again, err := ParseJSON(AppendJSON(nil, o))
		require.NoError(t, err)
		assert.Equal(t, o, again)
		again, err = ParseJSON(AppendJSONIndent(nil, o))
		require.NoError(t, err)
		assert.Equal(t, o, again)
		assert.True(t, Equal(o, o.Clone()))
		EachReference(o, func(r Reference) { r.Set(r.Value) })
		assert.True(t, Equal(o, again), "to set a reference to what it was changes nothing")
	})
}

// What is read as XML and printed again, in either form, says the same.
func FuzzParseXML(f *testing.F) {
	for _, seed := range xmlSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseXML(data)
		if err != nil {
			assert.Nil(t, o)
			mustBeSyntax(t, err)
			return
		}
		for _, print := range []func([]byte, *Object) ([]byte, error){AppendXML, AppendXMLIndent} {
			text, err := print(nil, o)
			require.NoError(t, err)
			again, err := ParseXML(text)
			require.NoError(t, err, "%s", text)
			assert.Equal(t, o, again)
		}
		fromJSON, err := ParseJSON(AppendJSON(nil, o))
		require.NoError(t, err)
		assert.True(t, Equal(o, fromJSON))
	})
}

// What can be printed as XML is read again as what it was.
func FuzzAppendXML(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseJSON(data)
		if err != nil {
			return
		}
		text, err := AppendXML([]byte("<!-- before -->"), o)
		if err != nil {
			var syntax *SyntaxError
			require.True(t, errors.As(err, &syntax), "%T: %v", err, err)
			assert.Equal(t, "<!-- before -->", string(text))
			for _, issue := range Validate(o) {
				if issue.Severity == "error" {
					return
				}
			}
			t.Errorf("what is valid must be printed: %v", err)
			return
		}
		again, err := ParseXML(text[len("<!-- before -->"):])
		require.NoError(t, err, "%s", text)
		assert.True(t, Equal(o, again), "%s\n%s", text, AppendJSON(nil, again))
	})
}

// The issues of whatever can be read make a valid OperationOutcome.
func FuzzValidate(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseJSON(data)
		if err != nil {
			return
		}
		before := string(AppendJSON(nil, o))
		issues := Validate(o)
		assert.LessOrEqual(t, len(issues), maxIssues+1)
		outcome := Outcome(issues...)
		assert.Empty(t, Validate(outcome))
		_, err = AppendXML(nil, outcome)
		assert.NoError(t, err)
		assert.Equal(t, before, string(AppendJSON(nil, o)), "what is checked does not change")
		for _, p := range SearchParams(o.Type()) {
			p.Extract(o)
		}
		CompartmentPatients(o)
	})
}

// A stream is split into the same tokens as a text that is at hand.
func FuzzXMLScanner(f *testing.F) {
	for _, seed := range xmlSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		whole, wholeErr := tokensOf(scanXML([]byte(text)))
		stream, streamErr := tokensOf(scanXMLStream(iotest.OneByteReader(strings.NewReader(text))))
		assert.Equal(t, whole, stream)
		assert.Equal(t, wholeErr, streamErr)
	})
}

// The streams read what the parsers read.
func FuzzReadBundle(f *testing.F) {
	for _, seed := range slices.Concat(jsonSeeds, xmlSeeds) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := ParseJSON(data)
		read := ReadBundleJSON
		if err != nil {
			whole, err = ParseXML(data)
			read = ReadBundleXML
		}
		if err != nil || whole.Type() != "Bundle" {
			return
		}
		var entries []*Object
		bundle, err := read(iotest.HalfReader(strings.NewReader(string(data))), func(entry *Object) error {
			entries = append(entries, entry)
			return nil
		})
		if err != nil { // of a JSON text whose entries are none
			mustBeSyntax(t, err)
			assert.Less(t, len(whole.Objects("entry")), len(whole.List("entry")))
			return
		}
		if len(entries) > 0 {
			bundle.Set("entry", entries)
		} else if list, ok := whole.Get("entry").([]any); ok && len(list) == 0 {
			bundle.Set("entry", list)
		}
		assert.True(t, Equal(whole, bundle))
	})
}
