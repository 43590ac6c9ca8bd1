package suite_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	catalogue "example.org/ccde/features"
	"example.org/ccde/fixtures"
	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

// TestKill tries the judge with a defect that it knows, one that does nothing,
// and one whose script is wrong.
func TestKill(t *testing.T) {
	defect := func(name, text string) fixtures.Defect {
		return fixtures.Defect{Name: name, Title: name, Breaks: "SRC-32", Nodes: []string{"source"}, Text: text}
	}
	var told int
	m, err := suite.Kill(t.Context(), suite.KillOptions{
		Defects: []fixtures.Defect{
			defect("cacheable", `override("SRC-32", lambda inputs, value: "")`),
			defect("harmless", `on_answer(lambda req, ans: None, path = "/auth/token")`),
			defect("wrong", `on_answer(lambda req, ans: 1 // 0, path = "/auth/token")`),
			defect("unreadable", `on_answer(`),
		},
		Progress: func(e suite.KillEvent) {
			if e.Defect != nil {
				told++
			}
		},
	})
	require.NoError(t, err)
	require.Len(t, m.Defects, 4)
	assert.Equal(t, 4, told)
	killed, harmless, wrong, unreadable := m.Defects[0], m.Defects[1], m.Defects[2], m.Defects[3]
	assert.True(t, killed.Killed)
	assert.NotEmpty(t, killed.By)
	assert.Empty(t, killed.Error)
	assert.False(t, harmless.Killed)
	assert.Empty(t, harmless.Error)
	assert.False(t, wrong.Killed)
	assert.Contains(t, wrong.Error, "wrong.star:1")
	assert.False(t, unreadable.Killed)
	assert.Contains(t, unreadable.Error, "unreadable.star:1")
	assert.Len(t, m.Survivors(), 3)
	assert.Equal(t, 1, m.Killed)
	assert.Equal(t, []reports.KillRow{{ID: "SRC-32", Role: "source", Level: "SHOULD", Text: m.Requirements[0].Text,
		Defects: []string{"cacheable", "harmless", "wrong", "unreadable"}, Killed: 1}}, m.Requirements)

	_, err = suite.Kill(t.Context(), suite.KillOptions{Defects: []fixtures.Defect{{Name: "x", Breaks: "SRC-99"}}})
	var usage *suite.UsageError
	require.ErrorAs(t, err, &usage)
	assert.ErrorContains(t, err, `"SRC-99" is no requirement`)
}

// TestReadmeCountsDefects keeps the README's counts of the kill matrix true.
func TestReadmeCountsDefects(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	defects, err := fixtures.Defects()
	require.NoError(t, err)
	all, err := catalogue.Catalogue()
	require.NoError(t, err)
	of := map[string]int{} // defects by requirement
	for _, d := range defects {
		of[d.Breaks]++
	}
	assert.Contains(t, string(readme), fmt.Sprintf("%d defects, scripts of a few lines", len(defects)))
	assert.Regexp(t, regexp.MustCompile(fmt.Sprintf(`in %d of the\s+%d requirements`, len(of), len(all))), string(readme))
	for role, title := range map[string]string{"target": "target EHR", "source": "source EHR", "cavs": "CAVS", "every": "every system"} {
		ids, with, n := 0, 0, 0
		for _, r := range all {
			if r.Role != role {
				continue
			}
			ids++
			n += of[r.ID]
			if of[r.ID] > 0 {
				with++
			}
		}
		assert.Contains(t, string(readme), fmt.Sprintf("| %s | %d | %d | %d | all |\n", title, ids, with, n))
	}
}
