package fhir

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nestedExtensions is a Patient with objects within each other, depth in all; the
// innermost says nothing.
func nestedExtensions(depth int) (json, xml string) {
	json = `{"resourceType":"Patient",` + strings.Repeat(`"extension":[{`, depth-1) + strings.Repeat(`}]`, depth-1) + `}`
	xml = patientXML(strings.Repeat(`<extension>`, depth-1) + strings.Repeat(`</extension>`, depth-1))
	return json, xml
}

// Both forms and the validator draw the line at the same depth.
func TestDepthIsTheSameInBothForms(t *testing.T) {
	const sibling = `"valueString":"x","_valueString":{"id":"i"}`
	for _, c := range []struct {
		name  string
		depth int
		json  func(text string) string
		xml   func(text string) string
		ok    bool
	}{
		{"objects, as many as may be", maxDepth, nil, nil, true},
		{"objects, one more", maxDepth + 1, nil, nil, false},
		{"a primitive in the innermost", maxDepth,
			func(text string) string { return strings.Replace(text, "{}", `{"valueString":"x"}`, 1) },
			func(text string) string {
				return strings.Replace(text, "<extension></", `<extension><valueString value="x"/></`, 1)
			}, true},
		{"the sibling of a primitive", maxDepth - 1,
			func(text string) string { return strings.Replace(text, "{}", "{"+sibling+"}", 1) },
			func(text string) string {
				return strings.Replace(text, "<extension></", `<extension><valueString id="i" value="x"/></`, 1)
			}, true},
		{"the sibling of a primitive, one too deep", maxDepth,
			func(text string) string { return strings.Replace(text, "{}", "{"+sibling+"}", 1) },
			func(text string) string {
				return strings.Replace(text, "<extension></", `<extension><valueString id="i" value="x"/></`, 1)
			}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			json, xml := nestedExtensions(c.depth)
			if c.json != nil {
				json, xml = c.json(json), c.xml(xml)
			}
			fromJSON, jsonErr := ParseJSON([]byte(json))
			fromXML, xmlErr := ParseXML([]byte(xml))
			if !c.ok {
				assert.Contains(t, syntaxErrorOf(t, jsonErr).Msg, "nested too deep")
				assert.Contains(t, syntaxErrorOf(t, xmlErr).Msg, "nested too deep")
				return
			}
			require.NoError(t, jsonErr)
			require.NoError(t, xmlErr)
			assertEqual(t, fromJSON, fromXML, "JSON and XML")
			text, err := AppendXML(nil, fromJSON)
			require.NoError(t, err)
			again, err := ParseXML(text)
			require.NoError(t, err)
			assertEqual(t, fromJSON, again, "printed")
			for _, issue := range Validate(fromJSON) {
				assert.NotContains(t, issue.Diagnostics, "too deep")
			}
		})
	}
}

// What is made by hand can be deeper than what can be read.
func TestDepthByHand(t *testing.T) {
	o := NewObject(Member{"url", "u"})
	for range maxDepth + 10 {
		o = NewObject(Member{"url", "u"}, Member{"extension", []any{o}})
	}
	o = NewObject(Member{"resourceType", "Patient"}, Member{"extension", []any{o}})
	_, err := AppendXML(nil, o)
	assert.Contains(t, syntaxErrorOf(t, err).Msg, "nested too deep")
	issues := Validate(o)
	require.Len(t, issues, 1)
	assert.Contains(t, issues[0].Diagnostics, "nested too deep")
}

func TestParseXMLHarmless(t *testing.T) {
	const n = 100_000
	many := func(format string) string { return strings.Repeat(format, n) }
	lol := `<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "` + strings.Repeat("&a;", 10) + `"><!ENTITY c "` + strings.Repeat("&b;", 10) + `">]>`
	div := `<text><div xmlns="http://www.w3.org/1999/xhtml">`
	for _, c := range []struct{ name, text, msg string }{
		{"entities of one's own", lol + patientXML(`<name><text value="&c;"/></name>`), "document type"},
		{"external entity", `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + patientXML(`<name><text value="&a;"/></name>`), "document type"},
		{"document type alone", `<!DOCTYPE Patient>` + patientXML(``), "document type"},
		{"document type within", patientXML(`<!DOCTYPE x>`), "document type"},
		{"unknown entity", patientXML(`<name><text value="&nbsp;"/></name>`), "not a reference"},
		{"unknown entity in a narrative", patientXML(div + `&nbsp;</div></text>`), "not a reference"},
		{"elements", `<Patient xmlns="http://hl7.org/fhir">` + many(`<extension>`), "nested too deep"},
		{"resources", `<Patient xmlns="http://hl7.org/fhir">` + many(`<contained><Patient>`), "nested too deep"},
		{"elements of a primitive", `<Patient xmlns="http://hl7.org/fhir">` + `<active>` + many(`<extension><valueString>`), "nested too deep"},
		{"unknown elements", many(`<a>`), "not a resource"},
		{"elements of a narrative", patientXML(div + many(`<p>`)), "nested too deep"},
		{"attributes", `<Patient xmlns="http://hl7.org/fhir"` + many(` a="b"`) + `/>`, "attributes"},
		{"namespaces", `<Patient xmlns="http://hl7.org/fhir"` + many(` xmlns:a="b"`) + `/>`, "twice"},
		{"namespaces of many elements", patientXML(div + many(`<p xmlns:a="b">`)), "namespaces"},
		{"a long name", `<` + many("a") + ` xmlns="http://hl7.org/fhir"/>`, "not a resource"},
		{"a long attribute", patientXML(`<active ` + many("a") + `="b"/>`), "attribute"},
		{"a long prefix", patientXML(`<` + many("a") + `:b/>`), "not declared"},
		{"a long namespace", `<Patient xmlns="` + many("a") + `"/>`, "namespace"},
		{"a long value", patientXML(`<active value="` + many("a") + `"/>`), "boolean"},
		{"a long text", patientXML(many("a")), "text is not allowed"},
		{"a long reference", patientXML(`<id value="&` + many("a") + `;"/>`), "not a reference"},
		{"a long end tag", patientXML(`</` + many("a") + `>`), "does not fit"},
		{"a tag without end", patientXML(`<name x="` + many("a>")), "within a tag"},
		{"a comment without end", patientXML(`<!--` + many("- ")), "-->"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			_, err := ParseXML([]byte(c.text))
			syntax := syntaxErrorOf(t, err)
			assert.Contains(t, syntax.Msg, c.msg)
			assert.Less(t, len(syntax.Msg), 500)
			assert.Positive(t, syntax.Line)
			assert.Less(t, time.Since(start), time.Second)
		})
	}
}

func TestParseXMLBig(t *testing.T) {
	const n = 100_000
	text := patientXML(strings.Repeat(`<name><family value="Bee"/><given value="Ann"/><given id="x" value="Zoë"/></name>`, n))
	start := time.Now()
	o, err := ParseXML([]byte(text))
	require.NoError(t, err)
	assert.Len(t, o.List("name"), n)
	printed, err := AppendXML(nil, o)
	require.NoError(t, err)
	assert.Len(t, printed, len(text)+len(`<?xml version="1.0" encoding="UTF-8"?>`))
	assert.Less(t, time.Since(start), 10*time.Second)
}
