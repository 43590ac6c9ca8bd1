package features

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	gherkin "github.com/cucumber/gherkin/go/v26"
	messages "github.com/cucumber/messages/go/v21"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func pickles(t *testing.T) map[string][]*messages.Pickle {
	t.Helper()
	out := map[string][]*messages.Pickle{}
	require.NoError(t, fs.WalkDir(FS, ".", func(uri string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(uri) != ".feature" {
			return err
		}
		text, err := fs.ReadFile(FS, uri)
		if err != nil {
			return err
		}
		ids := &messages.Incrementing{}
		doc, err := gherkin.ParseGherkinDocument(strings.NewReader(string(text)), ids.NewId)
		require.NoError(t, err, uri)
		out[uri] = gherkin.Pickles(*doc, uri, ids.NewId)
		return nil
	}))
	require.NotEmpty(t, out)
	return out
}

func TestEachRequirementHasAScenario(t *testing.T) {
	all, err := Catalogue()
	require.NoError(t, err)
	known, tagged := map[string]bool{}, map[string]bool{}
	for _, r := range all {
		known[r.ID] = true
	}
	for uri, scenarios := range pickles(t) {
		for _, p := range scenarios {
			ids := 0
			for _, tag := range p.Tags {
				id := strings.TrimPrefix(tag.Name, "@")
				assert.True(t, known[id], "%s: %s: the tag %s names no requirement", uri, p.Name, tag.Name)
				tagged[id] = true
				ids++
			}
			assert.NotZero(t, ids, "%s: %s: judges no requirement", uri, p.Name)
		}
	}
	for _, r := range all {
		assert.True(t, tagged[r.ID], "%s has no scenario", r.ID)
	}
}

func TestScenarioNamesAreUnique(t *testing.T) {
	seen := map[string]string{}
	for uri, scenarios := range pickles(t) {
		for _, p := range scenarios {
			assert.Empty(t, seen[p.Name], "%s: a scenario of the name %q is there already", uri, p.Name)
			seen[p.Name] = uri
			assert.NotEmpty(t, p.Steps, "%s: %s has no steps", uri, p.Name)
			assert.NotContains(t, p.Name, "<", "%s: %s: a column is missing", uri, p.Name)
		}
	}
}

func TestCatalogueHasAllRequirements(t *testing.T) {
	all, err := Catalogue()
	require.NoError(t, err)
	count := map[string]int{}
	for _, r := range all {
		count[r.Role]++
	}
	assert.Equal(t, map[string]int{"target": 38, "source": 68, "cavs": 12, "every": 5}, count)
}

func TestParseNamesTheLine(t *testing.T) {
	const good = "requirements:\n  - {id: TGT-01, role: target, level: SHALL, source: [N], text: a}\n"
	for name, c := range map[string]struct{ text, want string }{
		"no yaml":            {"requirements: [", "requirements.yaml"},
		"nothing":            {"requirements: []\n", "there are none"},
		"unknown key":        {good + "more: 1\n", "[3:1]"},
		"unknown field":      {strings.Replace(good, "text", "words", 1), "words"},
		"form of id":         {strings.Replace(good, "TGT-01", "TGT-1", 1), `requirements.yaml:2: id: "TGT-1"`},
		"role":               {strings.Replace(good, "role: target", "role: other", 1), `requirements.yaml:2: role: "other"`},
		"id of another role": {strings.Replace(good, "role: target", "role: source", 1), `requirements.yaml:2: id: "TGT-01"`},
		"level":              {strings.Replace(good, "SHALL", "MUST", 1), `requirements.yaml:2: level: "MUST"`},
		"source":             {strings.Replace(good, "[N]", "[Q]", 1), `requirements.yaml:2: source: "Q"`},
		"no source":          {strings.Replace(good, "[N]", "[]", 1), "requirements.yaml:2: source: missing"},
		"twice":              {good + strings.SplitN(good, "\n", 2)[1], "requirements.yaml:3: id: TGT-01 stands on line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			assert.ErrorContains(t, err, c.want)
		})
	}
	all, err := Parse([]byte(good))
	require.NoError(t, err)
	assert.Len(t, all, 1)
}

func FuzzParse(f *testing.F) {
	text, err := FS.ReadFile("requirements.yaml")
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte("requirements: [{id: TGT-01}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) { _, _ = Parse(text) })
}
