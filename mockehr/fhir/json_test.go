package fhir

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// syntaxErrorOf is err as what all errors of the parsers must be.
func syntaxErrorOf(t *testing.T, err error) *SyntaxError {
	t.Helper()
	require.Error(t, err)
	var syntax *SyntaxError
	require.True(t, errors.As(err, &syntax), "%T: %v", err, err)
	return syntax
}

func TestParseJSON(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"order of members", `{"b":"1","resourceType":"Patient","a":"2"}`, ""},
		{"a part of a resource", `{"family":"Bee"}`, ""},
		{"nothing in it", `{}`, ""},
		{"numbers as text", `{"a":[1.0,1.00,1E3,-0,0.5e-7,12345678901234567890.123456789]}`, ""},
		{"booleans", `{"a":[true,false]}`, ""},
		{"nulls that pad", `{"given":["a",null],"_given":[null,{"id":"x"}]}`, ""},
		{"empty arrays and objects", `{"a":[],"b":{},"c":[{}]}`, ""},
		{"unknown members", `{"resourceType":"Nonsense","é":{"":"x"}}`, ""},
		{"byte order mark", "\xef\xbb\xbf{\"a\":\"x\"}", `{"a":"x"}`},
		{"white space", " \r\n\t{ \"a\" :\n[ 1 , 2 ] } \n", `{"a":[1,2]}`},
		{"escapes", `{"a\u0062":"\u0041\n\t\"\\\/\u00e9\ud83d\ude00"}`, `{"ab":"A\n\t\"\\/é😀"}`},
		{"control characters", `{"a":"\u0000\u001f"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseJSON([]byte(c.text))
			require.NoError(t, err)
			want := c.want
			if want == "" {
				want = c.text
			}
			assert.Equal(t, want, string(AppendJSON(nil, o)))
			again, err := ParseJSON(AppendJSONIndent(nil, o))
			require.NoError(t, err)
			assert.Equal(t, o, again, "indented, it says the same")
		})
	}
}

func TestParseJSONErrors(t *testing.T) {
	for _, c := range []struct {
		name, text   string
		line, column int
		path, msg    string
	}{
		{"nothing", ``, 1, 1, "", "too early"},
		{"white space", " \n ", 1, 1, "", "too early"},
		{"an array", `[{"a":"x"}]`, 1, 1, "", "object is expected"},
		{"a string", "\n \"x\"", 2, 2, "", "object is expected"},
		{"null", `null`, 1, 1, "", "object is expected"},
		{"XML", `<Patient/>`, 1, 1, "", "not JSON"},
		{"it ends too early", `{"resourceType":"Patient","name":[{"given":["a"`, 1, 48, "Patient.name[0].given", "too early"},
		{"text behind", "{\"resourceType\":\"Patient\"}\n  {}", 2, 3, "Patient", "something follows"},
		{"garbage behind", `{"a":"x"}}`, 1, 10, "", "not JSON"},
		{"a member twice", "{\"resourceType\":\"Patient\",\n\"id\":\"1\",\"id\":\"1\"}", 2, 10, "Patient.id", "occurs twice"},
		{"a member twice, escaped", `{"name":[{"text":"a","te\u0078t":"b"}]}`, 1, 22, "name[0].text", "occurs twice"},
		{"null as a member", "{\"resourceType\":\"Patient\",\n \"contact\":[{\"gender\":null}]}", 2, 23, "Patient.contact[0].gender", "leave the member out"},
		{"array in an array", `{"a":[1,[2]]}`, 1, 9, "a[1]", "an item of an array"},
		{"comma at the end", `{"a":"x",}`, 1, 9, "", "not JSON"},
		{"comma missing", `{"a":"x" "b":"y"}`, 1, 10, "", "not JSON"},
		{"single quotes", `{'a':1}`, 1, 2, "", "not JSON"},
		{"comment", `{/* no */}`, 1, 2, "", "not JSON"},
		{"leading zero", `{"a":01}`, 1, 7, "", "not JSON"},
		{"NaN", `{"a":NaN}`, 1, 6, "a", "not JSON"},
		{"line break in a string", "{\"a\":\"x\ny\"}", 1, 8, "a", "not JSON"},
		{"unknown escape", `{"a":"\x"}`, 1, 7, "a", "not JSON"},
		{"broken UTF-8", "{\"a\":\"é\xff\"}", 1, 9, "a", "UTF-8"},
		{"overlong UTF-8", "{\"a\":\"\xc0\x80\"}", 1, 7, "a", "UTF-8"},
		{"broken UTF-8 in a name", "{\"\xff\":1}", 1, 3, "", "UTF-8"},
		{"UTF-16", "\xff\xfe{\x00}\x00", 1, 1, "", "not JSON"},
		{"lone high surrogate", `{"a":"\ud800"}`, 1, 7, "a", "surrogate"},
		{"lone low surrogate", `{"a":"x\udc00"}`, 1, 8, "a", "surrogate"},
		{"surrogates in the wrong order", `{"a":"\udc00\ud800"}`, 1, 7, "a", "surrogate"},
		{"two byte order marks", "\xef\xbb\xbf\xef\xbb\xbf{}", 1, 1, "", "not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseJSON([]byte(c.text))
			assert.Nil(t, o)
			syntax := syntaxErrorOf(t, err)
			assert.Equal(t, [2]int{c.line, c.column}, [2]int{syntax.Line, syntax.Column}, "line and column: %v", err)
			assert.Equal(t, c.path, syntax.Path, "%v", err)
			assert.Contains(t, syntax.Msg, c.msg)
		})
	}
}

func TestParseJSONDepth(t *testing.T) {
	nested := func(n int) string {
		return strings.Repeat(`{"a":`, n-1) + `{}` + strings.Repeat(`}`, n-1)
	}
	_, err := ParseJSON([]byte(nested(maxDepth)))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"one too deep":         nested(maxDepth + 1),
		"objects":              nested(10_000),
		"objects without end":  strings.Repeat(`{"a":`, 1_000_000),
		"lists of objects":     strings.Repeat(`{"a":[`, 1_000_000),
		"arrays":               `{"a":` + strings.Repeat(`[`, 1_000_000),
		"arrays, outermost":    strings.Repeat(`[`, 1_000_000),
		"arrays in an unknown": `{"resourceType":"Patient","x":` + strings.Repeat(`[`, 1_000_000),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := ParseJSON([]byte(text))
			syntax := syntaxErrorOf(t, err)
			assert.Equal(t, 1, syntax.Line)
			assert.Less(t, len(err.Error()), 4000)
			assert.Less(t, time.Since(start), time.Second)
		})
	}
}

// A long name or value of someone else's does not make a long message.
func TestParseJSONErrorIsShort(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	for _, text := range []string{
		`{"` + long + `":null}`,
		`{"resourceType":"` + long + `","a":null}`,
		`{"a":"` + long + `\x"}`,
		`{"a":[["` + long + `"]]}`,
	} {
		_, err := ParseJSON([]byte(text))
		syntaxErrorOf(t, err)
		assert.Less(t, len(err.Error()), 500)
	}
}

func TestParseJSONBig(t *testing.T) {
	const n = 200_000
	text := `{"resourceType":"Patient","name":[` + strings.Repeat(`{"given":["Ann"],"family":"Bee"},`, n) + `{}]}`
	start := time.Now()
	o, err := ParseJSON([]byte(text))
	require.NoError(t, err)
	assert.Len(t, o.List("name"), n+1)
	assert.Equal(t, text, string(AppendJSON(nil, o)))
	assert.Less(t, time.Since(start), 10*time.Second)
}

// What no parser lets through is printed nevertheless, as JSON.
func TestAppendJSONOfWhatIsSetByHand(t *testing.T) {
	o := NewObject(Member{"text", "\xff"}, Member{"number", Number("1e")}, Member{"list", []any{nil, (*Object)(nil)}})
	assert.Equal(t, `{"text":"�","number":"1e","list":[null,null]}`, string(AppendJSON(nil, o)))
	assert.Equal(t, `null`, string(AppendJSON(nil, nil)))
	assert.Equal(t, "{\n  \"a\": [\n    1\n  ],\n  \"b\": [],\n  \"c\": {}\n}", string(AppendJSONIndent(nil,
		NewObject(Member{"a", []any{1}}, Member{"b", []any{}}, Member{"c", &Object{}}))))
}

func TestIsNumber(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-0": true, "10": true, "1.0": true, "0.00": true, "1e5": true, "1E+05": true, "-1.5e-3": true,
		"": false, "-": false, "01": false, "+1": false, "1.": false, ".5": false, "1e": false, "1e+": false, "1 ": false, "0x1": false, "NaN": false, "1.5.2": false,
	} {
		assert.Equal(t, want, isNumber(text), text)
	}
}
