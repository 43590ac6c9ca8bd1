package steps

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	gherkin "github.com/cucumber/gherkin/go/v26"
	messages "github.com/cucumber/messages/go/v21"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/features"
)

// eachStep calls f with every step of every scenario of the project's features.
func eachStep(t *testing.T, f func(uri, scenario, text string)) {
	t.Helper()
	require.NoError(t, fs.WalkDir(features.FS, ".", func(uri string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(uri) != ".feature" {
			return err
		}
		text, err := fs.ReadFile(features.FS, uri)
		if err != nil {
			return err
		}
		ids := &messages.Incrementing{}
		doc, err := gherkin.ParseGherkinDocument(strings.NewReader(string(text)), ids.NewId)
		require.NoError(t, err, uri)
		for _, p := range gherkin.Pickles(*doc, uri, ids.NewId) {
			for _, s := range p.Steps {
				f(uri, p.Name, s.Text)
			}
		}
		return nil
	}))
}

func TestEveryStepOfTheFeaturesIsOneOfTheVocabulary(t *testing.T) {
	used := map[string]bool{}
	vocabulary := map[string]*regexp.Regexp{}
	for _, d := range Catalogue() {
		vocabulary[d.Pattern] = regexp.MustCompile(expression(d.Pattern))
	}
	eachStep(t, func(uri, scenario, text string) {
		var found []string
		for pattern, e := range vocabulary {
			if e.MatchString(text) {
				found = append(found, pattern)
				used[pattern] = true
			}
		}
		assert.Len(t, found, 1, "%s: %s: %q", uri, scenario, text)
	})
	for pattern := range vocabulary {
		assert.True(t, used[pattern], "no scenario says %q", pattern)
	}
}

func TestEveryExampleIsItsStep(t *testing.T) {
	keyword := regexp.MustCompile(`^(Given|When|Then|And|But) `)
	for _, d := range Catalogue() {
		assert.Regexp(t, keyword, d.Example)
		assert.Regexp(t, expression(d.Pattern), keyword.ReplaceAllString(d.Example, ""), d.Pattern)
		assert.NotEmpty(t, d.Doc, d.Pattern)
	}
}

var update = flag.Bool("update", false, "write the vocabulary into features/README.md")

const readme = "../features/README.md"

// vocabularyText is the vocabulary as features/README.md shows it.
func vocabularyText() string {
	var b strings.Builder
	topic := ""
	b.WriteString("## The vocabulary\n")
	for _, d := range Catalogue() {
		if d.Topic != topic {
			topic = d.Topic
			b.WriteString("\n### " + topic + "\n")
		}
		b.WriteString("- `" + d.Pattern + "`  \n  " + d.Doc + "\n")
	}
	b.WriteString("\n## What stands in braces\n\n")
	for _, name := range slices.Sorted(maps.Keys(placeholders)) {
		form := placeholders[name]
		if strings.HasPrefix(form, "(.") {
			continue
		}
		b.WriteString("- `" + name + "`: `" + strings.Trim(form, "()") + "`\n")
	}
	return b.String()
}

func TestReadmeShowsTheVocabulary(t *testing.T) {
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), "<!-- vocabulary -->\n")
	require.True(t, found)
	shown, after, found := strings.Cut(rest, "<!-- end of vocabulary -->")
	require.True(t, found)
	if *update {
		require.NoError(t, os.WriteFile(readme, []byte(before+"<!-- vocabulary -->\n"+vocabularyText()+"<!-- end of vocabulary -->"+after), 0o644))
		return
	}
	assert.Equal(t, vocabularyText(), shown, "run: go test ./steps -run Vocabulary -update")
}
