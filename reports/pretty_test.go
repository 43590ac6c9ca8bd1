package reports

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestPretty(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"object":        {`{"a":1,"b":[],"c":{"d":[1.0,"x, {y}: \"z\""]}}`, "{\n\t\"a\": 1,\n\t\"b\": [],\n\t\"c\": {\n\t\t\"d\": [\n\t\t\t1.0,\n\t\t\t\"x, {y}: \\\"z\\\"\"\n\t\t]\n\t}\n}"},
		"laid out":      {"{\n  \"a\" : [ ]\n}", "{\n\t\"a\": []\n}"},
		"cut short":     {`{"a":"b`, "{\n\t\"a\": \"b"},
		"more closed":   {`{}}]`, "{}\n}\n]"},
		"XML":           {`<?xml version="1.0"?><a xmlns="http://hl7.org/fhir"><b value="1"/><c><d>text</d></c></a>`, "<?xml version=\"1.0\"?>\n<a xmlns=\"http://hl7.org/fhir\">\n\t<b value=\"1\"/>\n\t<c>\n\t\t<d>text</d>\n\t</c>\n</a>"},
		"empty element": {`<?xml?><a></a>`, "<?xml?>\n<a></a>"},
		"XML cut short": {`<?xml?><a><b`, "<?xml?>\n<a>\n\t<b"},
		"form":          {"a=b&c={d}", "a=b&c={d}"},
		"page":          {"<!doctype html><p>a<br>b", "<!doctype html><p>a<br>b"},
		"nothing":       {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, left := pretty(c.in, 1000)
			assert.Equal(t, c.want, got)
			assert.Zero(t, left)
		})
	}
}

func TestPrettyIsCut(t *testing.T) {
	for _, text := range []string{
		`{"a":"` + strings.Repeat("ü", 5000) + `"}`,
		`[` + strings.Repeat(`{"a":1},`, 500) + `1]`,
		`<?xml?><a>` + strings.Repeat("<b/>", 500) + strings.Repeat("ü", 5000) + `</a>`,
		strings.Repeat("ü", 5000),
	} {
		got, left := pretty(text, 301)
		assert.LessOrEqual(t, len(got), 350)
		assert.Positive(t, left)
		assert.True(t, utf8.ValidString(got), "no character is torn")
	}
	deep, _ := pretty(strings.Repeat("[", 100_000), 64<<10)
	assert.Less(t, len(deep), 70<<10)
}

// FuzzPretty: whatever comes, nothing but space is added or lost.
func FuzzPretty(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":null}]}`, `<?xml?><a b="c">d<e/></a>`, `{"a":"\"`, `[}]{`, "<?xml <a>>", "a=b", "<?xml?>é<"} {
		f.Add(seed, 1000)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 1 + (limit&0xffff)%5000
		got, left := pretty(text, limit)
		if left < 0 || left > len(text) {
			t.Fatalf("%d of %d left", left, len(text))
		}
		var compact bytes.Buffer
		if left == 0 && json.Compact(&compact, []byte(text)) == nil && (text[0] == '{' || text[0] == '[') {
			want := compact.String()
			compact.Reset()
			if json.Compact(&compact, []byte(got)) != nil || compact.String() != want {
				t.Fatalf("%q became %q", text, got)
			}
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
