package fhir

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// examplesDir is where the official examples lie, beside the module.
const examplesDir = "../../../shared/stu3/examples"

// example is one resource in both forms.
type example struct {
	name      string
	json, xml []byte
}

// examples reads the official examples. Where they are missing the test is
// skipped, and says so.
func examples(t testing.TB) []example {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(examplesDir, "json", "*.json"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skipf("SKIPPED, NOTHING IS PROVEN: no official examples in %s", examplesDir)
	}
	var all []example
	for _, file := range files {
		e := example{name: strings.TrimSuffix(filepath.Base(file), ".json")}
		e.json, err = os.ReadFile(file)
		require.NoError(t, err)
		e.xml, err = os.ReadFile(filepath.Join(examplesDir, "xml", e.name+".xml"))
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

func TestExamples(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			fromJSON, err := ParseJSON(e.json)
			require.NoError(t, err)
			fromXML, err := ParseXML(e.xml)
			require.NoError(t, err)

			assertEqual(t, layoutAside(t, fromJSON), layoutAside(t, fromXML), "the XML says the same as the JSON")

			printed, err := ParseJSON(AppendJSON(nil, fromJSON))
			require.NoError(t, err)
			assert.Equal(t, fromJSON, printed, "JSON to JSON, members in their order")
			printed, err = ParseJSON(AppendJSONIndent(nil, fromXML))
			require.NoError(t, err)
			assert.Equal(t, fromXML, printed, "XML to JSON")

			for _, print := range []func([]byte, *Object) ([]byte, error){AppendXML, AppendXMLIndent} {
				text, err := print(nil, fromJSON)
				require.NoError(t, err)
				printed, err = ParseXML(text)
				require.NoError(t, err, "%s", text)
				assertEqual(t, fromJSON, printed, "JSON to XML to JSON")
			}
		})
	}
}

// layoutAside takes out the white space next to the tags of the narrative: two of
// the published pairs differ in how it is laid out. Comments go with it.
func layoutAside(t *testing.T, o *Object) *Object {
	t.Helper()
	div := o.Text("text", "div")
	if div == "" {
		return o
	}
	canonical, err := canonicalDiv(div)
	require.NoError(t, err)
	o = o.Clone()
	o.Child("text").Set("div", layout.ReplaceAllString(string(canonical), "$1"))
	return o
}

var layout = regexp.MustCompile(`\s*(?:<!--.*?-->\s*)*(<[^!][^>]*>)\s*`)

func assertEqual(t *testing.T, want, got *Object, msg string) {
	t.Helper()
	if !Equal(want, got) {
		assert.Equal(t, string(AppendJSONIndent(nil, want)), string(AppendJSONIndent(nil, got)), msg)
		t.Errorf("%s: they differ", msg)
	}
}
