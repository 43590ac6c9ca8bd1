package fhir

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Of each primitive type: what is a value, and what is not.
func TestValidatePrimitives(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, c := range []struct {
		typ       string
		good, bad []string // in JSON
	}{
		{"boolean", []string{`true`, `false`}, nil},
		{"integer", []string{`0`, `-1`, `2147483647`, `-2147483648`}, []string{`1.0`, `1e3`, `2147483648`, `-2147483649`, `123456789012345678901234567890`}},
		{"unsignedInt", []string{`0`, `2147483647`}, []string{`-1`, `0.5`, `2147483648`}},
		{"positiveInt", []string{`1`, `2147483647`}, []string{`0`, `-1`, `2147483648`}},
		{"decimal", []string{`0`, `-0.0`, `1.00`, `12345678901234567.12345678901234567`}, []string{`1E3`, `1e-3`}},
		{"string", []string{`" x "`, `"a\tb\r\nc"`, `"é😀"`}, []string{`""`, `"\u0000"`, `"a\u000bb"`, `"\u001f"`, `"\uffff"`}},
		{"markdown", []string{`"*x*\n\n- y"`}, []string{`""`, `"\u0007"`}},
		{"code", []string{`"a"`, `"a b"`, `"a-b.c|d"`, `"é"`}, []string{`""`, `" a"`, `"a "`, `"a  b"`, `"a\t\tb"`, `"\n"`, `"a\u000bb"`, `"\u0001"`, `"\ufffe"`}},
		{"id", []string{`"a"`, `"A.b-1"`, `"` + long + `"`}, []string{`""`, `"a_b"`, `"a b"`, `"é"`, `"a/b"`, `"` + long + `x"`}},
		{"uri", []string{`"u"`, `"http://x.org/?a=b#c"`, `"urn:oid:1.2"`, `"ü"`}, []string{`""`, `"a b"`, `" http://x.org"`, `"a\u00a0b"`, `"a\n"`}},
		{"oid", []string{`"urn:oid:1.2.840.10008"`, `"urn:oid:2.0"`}, []string{`"1.2.3"`, `"urn:oid:"`, `"urn:oid:3.1"`, `"urn:oid:1.02"`, `"urn:oid:1"`}},
		{"base64Binary", []string{`"AA=="`, `"AAA="`, `"AAAA"`, `"AAAA\nAA=="`, `"` + strings.Repeat("AAAA", 5000) + `AA=="`},
			[]string{`""`, `"A"`, `"AA"`, `"A==="`, `"AA==AAAA"`, `"-_=="`, `"é==="`, `"` + strings.Repeat("AAAA", 1023) + `AA==` + `AAAA"`}},
		{"date", []string{`"2017"`, `"2017-02"`, `"2017-02-28"`, `"2016-02-29"`, `"0001"`, `"9999-12-31"`},
			[]string{`""`, `"17"`, `"2017-2"`, `"2017-13"`, `"2017-00"`, `"2017-02-29"`, `"2017-02-30"`, `"2017-04-31"`, `"2017-01-00"`, `"2017-01-32"`, `"0000"`, `"0000-01-01"`,
				`"2017-01-01T10:00:00Z"`, `"20170101"`, `"2017-01-01Z"`, `" 2017"`, `"2017\n"`}},
		{"dateTime", []string{`"2017"`, `"2017-02"`, `"2017-02-28"`, `"2017-02-28T23:59:59Z"`, `"2017-02-28T00:00:00.123456789+14:00"`, `"2016-12-31T23:59:60Z"`, `"2017-02-28T00:00:00-13:59"`},
			[]string{`"0000"`, `"2017-02-29"`, `"2017-02-29T10:00:00Z"`, `"2017-02-28T10:00Z"`, `"2017-02-28T10:00:00"`, `"2017-02-28T24:00:00Z"`, `"2017-02-28T10:60:00Z"`, `"2017-02-28T10:00:61Z"`,
				`"2017-02-28T10:00:00+14:01"`, `"2017-02-28T10:00:00+15:00"`, `"2017-02-28T10:00:00.Z"`, `"2017-02-28t10:00:00z"`, `"2017-02-28 10:00:00Z"`, `"2017-02-28T10:00:00+0100"`}},
		{"instant", []string{`"2017-02-28T10:00:00Z"`, `"2017-02-28T10:00:00.000-05:00"`}, []string{`"2017"`, `"2017-02-28"`, `"2017-02-28T10:00Z"`, `"2017-02-28T10:00:00"`, `"2017-02-29T10:00:00Z"`, `"0000-01-01T00:00:00Z"`}},
		{"time", []string{`"00:00:00"`, `"23:59:59.999"`}, []string{`"24:00:00"`, `"10:00"`, `"10:00:60"`, `"10:00:00Z"`, `"1:00:00"`}},
	} {
		member := "value" + strings.ToUpper(c.typ[:1]) + c.typ[1:]
		for _, value := range c.good {
			o := parse(t, patient(`"extension":[{"url":"u","`+member+`":`+value+`}]`))
			assert.Empty(t, Validate(o), "%s %s", c.typ, shorten(value))
		}
		for _, value := range c.bad {
			o := parse(t, patient(`"extension":[{"url":"u","`+member+`":`+value+`}]`))
			issues := Validate(o)
			if assert.Len(t, issues, 1, "%s %s", c.typ, shorten(value)) {
				assert.Equal(t, "value", issues[0].Code)
				assert.Equal(t, "error", issues[0].Severity)
				assert.Equal(t, []string{"Patient.extension[0].value"}, issues[0].Expression)
				assert.Less(t, len(issues[0].Diagnostics), 400)
			}
		}
	}
}

func TestValidateLongString(t *testing.T) {
	o := NewObject(Member{"resourceType", "Patient"}, Member{"name", []any{NewObject(Member{"text", strings.Repeat("x", maxString)})}})
	assert.Empty(t, Validate(o))
	o.Child("name").Set("text", strings.Repeat("x", maxString+1))
	issues := Validate(o)
	require.Len(t, issues, 1)
	assert.Contains(t, issues[0].Diagnostics, "too long")
}

// The checks that are written out agree with the regexes of the specification.
func TestPrimitivesFollowTheTable(t *testing.T) {
	texts := []string{"", " ", "a", "a b", "a  b", " a", "a ", "a\tb", "a\u00a0b", "é", "0", "-0", "00", "01", "1.0", "1.", ".5", "+1", "-1", "1e3", "10", "-10.50",
		"2017", "-2017", "0000", "2017-1", "2017-01", "2017-13", "2017-01-01", "2017-01-32", "2017-01-01T", "2017-01-01T00:00:00", "2017-01-01T00:00:00Z", "2017-01-01T00:00:00.5Z",
		"2017-01-01T00:00:60+14:00", "2017-01-01T00:00:61Z", "2017-01-01T00:00:00+14:01", "2017-01-01T00:00:00-13:59", "10:00:00", "10:00:60", "10:00:00.1", "10:00:00.", "24:00:00",
		"urn:oid:1.2", "urn:oid:1.02", "urn:oid:3.1", "urn:uuid:a5afddf4-e880-459b-876e-e4591b0acc11", "urn:uuid:A5afddf4-e880-459b-876e-e4591b0acc11", "urn:uuid:a5afddf4", strings.Repeat("a", 64), strings.Repeat("a", 65)}
	for name, typ := range map[string]string{"code": "code", "id": "id", "decimal": "decimal", "integer": "integer", "positiveInt": "positiveInt", "unsignedInt": "unsignedInt",
		"oid": "oid", "uuid": "uuid", "time": "time"} {
		prim := namedTypes()[typ].prim
		require.NotNil(t, prim.regex, name)
		for _, text := range texts {
			assert.Equal(t, prim.regex().MatchString(text), checkPrimitive(prim, text) == "", "%s %q", typ, text)
		}
	}
}

func TestValidateNarrative(t *testing.T) {
	text := func(div string) string {
		return patient(`"text":{"status":"generated","div":` + strconv.Quote(div) + `}`)
	}
	const ns = ` xmlns="http://www.w3.org/1999/xhtml"`
	inside := func(content string) string { return text(`<div` + ns + `>` + content + `</div>`) }
	const at = "Patient.text.div"
	testInvalid(t, []invalid{
		{"good", inside(`<p class="a" style="color:red">x <b>y</b><br/><a href="http://x.org" name="z">z</a></p><!-- c -->`), "", "", ""},
		{"a prefix", text(`<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p>x</h:p></h:div>`), "", "", ""},
		{"language", text(`<div` + ns + ` lang="de" xml:lang="de">x</div>`), "", "", ""},
		{"an image", inside(`<img src="#a" alt="b"/>`), "", "", ""},
		{"a table", inside(`<table><thead><tr><th>x</th></tr></thead><tbody><tr><td>y</td></tr></tbody></table>`), "", "", ""},
		{"empty text", patient(`"text":{"status":"generated","div":""}`), at, "value", "one XHTML <div>"},
		{"plain text", text(`x`), at, "value", "one XHTML <div>"},
		{"text behind", text(`<div` + ns + `>x</div>y`), at, "value", "without text around it"},
		{"no namespace", text(`<div>x</div>`), at, "value", "must be in the namespace"},
		{"another element", text(`<p` + ns + `>x</p>`), at, "value", "not <p>"},
		{"two", text(`<div` + ns + `>x</div><div` + ns + `>y</div>`), at, "value", "one XHTML <div>"},
		{"HTML", inside(`x<br>y`), at, "value", "does not fit"},
		{"HTML's entities", inside(`x&nbsp;y`), at, "value", "not a reference"},
		{"document type", text(`<!DOCTYPE html><div` + ns + `>x</div>`), at, "value", "document type"},
		{"XML declaration", text(`<?xml version="1.0"?><div` + ns + `>x</div>`), at, "value", "no XML declaration"},
		{"script", inside(`<script>alert(1)</script>`), at, "value", "<script> is not allowed"},
		{"form", inside(`<form>x</form>`), at, "value", "<form> is not allowed"},
		{"style sheet", inside(`<style>x</style>`), at, "value", "<style> is not allowed"},
		{"head", inside(`<head>x</head>`), at, "value", "<head> is not allowed"},
		{"wrong case", inside(`<P>x</P>`), at, "value", "<P> is not allowed"},
		{"event", inside(`<p onclick="x()">x</p>`), at, "value", `"onclick" is not allowed`},
		{"script in a link", inside(`<a href=" java&#10;Script:x()">x</a>`), at, "value", "no scripts"},
		{"script in an image", inside(`<img src="data:text/html,x"/>`), at, "value", "no scripts"},
		{"foreign element", inside(`<svg xmlns="http://www.w3.org/2000/svg"/>`), at, "value", "must be in the namespace"},
		{"foreign attribute", text(`<div` + ns + ` xmlns:a="u" a:b="c">x</div>`), at, "value", "HTML's attributes only"},
		{"too deep", inside(strings.Repeat("<b>", maxDivDepth) + "x" + strings.Repeat("</b>", maxDivDepth)), at, "value", "too deep"},
		{"no string", patient(`"text":{"status":"generated","div":1}`), at, "structure", "must be a JSON string"},
		{"no div", patient(`"text":{"status":"generated"}`), at, "required", "must be given"},
	})
	for _, div := range []string{`<div` + ns + `/>`, `<div` + ns + "> \n <p>&#160;</p></div>"} {
		issues := Validate(parse(t, text(div)))
		require.Len(t, issues, 1)
		assert.Equal(t, Issue{"warning", "invariant", at + ": a narrative should say something: text or an image (txt-2)", []string{at}}, issues[0])
	}
}

func TestOutcome(t *testing.T) {
	issues := Validate(parse(t, patient(`"gender":"x","name":[{"nick":"y"}]`)))
	outcome := Outcome(issues...)
	assert.Empty(t, Validate(outcome), "what tells of it is valid itself")
	assert.Len(t, outcome.Objects("issue"), 2)
	assert.Equal(t, "Patient.gender", outcome.Text("issue", "expression"))
	all := Outcome()
	assert.Empty(t, Validate(all))
	assert.Equal(t, "information", all.Text("issue", "severity"))
	assert.NotContains(t, fmt.Sprint(string(AppendJSON(nil, Outcome(Issue{Severity: "error", Code: "invalid"})))), "diagnostics")
}
