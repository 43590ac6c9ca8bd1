package mockehr

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/fhir"
)

// plain is a resource without what the server sets.
func plain(o *fhir.Object) *fhir.Object {
	o = o.Clone()
	meta := o.Child("meta")
	if meta == nil {
		return o
	}
	for _, name := range []string{"versionId", "lastUpdated"} {
		meta.Delete(name)
		meta.Delete("_" + name)
	}
	if meta.Len() == 0 {
		o.Delete("meta")
	}
	return o
}

func same3(t *testing.T, want, got *fhir.Object, name string) {
	t.Helper()
	if !fhir.Equal(plain(want), plain(got)) {
		assert.Equal(t, string(fhir.AppendJSONIndent(nil, plain(want))), string(fhir.AppendJSONIndent(nil, plain(got))), name)
	}
}

// Every official example, put in one form, comes back in the other.
func TestExamplesThereAndBack(t *testing.T) {
	files, err := filepath.Glob("../../shared/stu3/examples/json/*.json")
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("SKIPPED, NOTHING IS PROVEN: no official examples in ../shared/stu3/examples")
	}
	n := newNode(t)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		asXML, err := os.ReadFile(strings.ReplaceAll(file, "json", "xml"))
		require.NoError(t, err)
		o := parsed(t, string(text))
		path := "/" + o.Type() + "/" + o.ID()
		if o.Type() == "Consent" {
			_, typ, id, _, _ := fhir.SplitReference(o.Text("patient", "reference"))
			n.load(`{"resourceType":"` + typ + `","id":"` + id + `"}`)
		}
		a := n.put(path, string(text))
		require.Contains(t, []int{200, 201}, a.StatusCode, "%s: %s", file, a.body)
		fromJSON := n.get(path, "Accept", typeXML).resource(t)
		same3(t, o, fromJSON, file)

		a = n.put(path, string(asXML), "Content-Type", typeXML)
		require.Equal(t, 200, a.StatusCode, "%s: %s", file, a.body)
		sent, err := fhir.ParseXML(asXML)
		require.NoError(t, err)
		same3(t, sent, n.get(path, "Accept", typeJSON).resource(t), file)
	}
}

// A sandbox's Bundles load without loss.
func TestPopulationReadsBack(t *testing.T) {
	n := newNode(t)
	for raw, err := range fixtures.Population(fixtures.PopulationOptions{Patients: 3}) {
		require.NoError(t, err)
		a := n.post("", string(raw))
		require.Equal(t, 200, a.StatusCode, a.body)
		for _, entry := range parsed(t, string(raw)).Objects("entry") {
			path := "/" + entry.Text("request", "url")
			same3(t, entry.Child("resource"), n.get(path).resource(t), path)
		}
		assert.Zero(t, strings.Count(a.body, `"outcome"`))
	}
}
