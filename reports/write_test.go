package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func all() *Run {
	return sampleRun(req("SRC-10", SHALL, Passed), req("SRC-11", SHALL, Failed), req("SRC-12", SHOULD, Warning),
		req("SRC-13", SHALL, Error), req("SRC-61", MAY, Skipped), req("SRC-14", SHALL, Unjudged))
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	require.NoError(t, Probe(dir))
	require.NoError(t, Write(dir, all()))
	require.NoError(t, Write(dir, all()), "over what is there")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.Equal(t, []string{HTMLFile, JUnitFile, JSONFile}, names, "nothing else is left")
}

func TestWriteKeepsTheRestWhenOneFails(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, HTMLFile, "in-the-way"), 0o755))
	err := Write(dir, all())
	require.ErrorContains(t, err, HTMLFile)
	assert.FileExists(t, filepath.Join(dir, JSONFile))
	assert.FileExists(t, filepath.Join(dir, JUnitFile))
	left, err := filepath.Glob(filepath.Join(dir, ".*-*"))
	require.NoError(t, err)
	assert.Empty(t, left, "no temporary file stays")
}

func TestProbeNamesTheFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, Probe(filepath.Join(file, "out")), file)
	require.ErrorContains(t, Write(filepath.Join(file, "out"), all()), file)
}

func TestWriteJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteJSON(&b, all()))
	var back Run
	dec := json.NewDecoder(&b)
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&back))
	assert.Equal(t, all(), &back)
	assert.Equal(t, Schema, back.Schema)
}

func TestWriteJUnit(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteJUnit(&b, all()))
	text := b.String()
	var suites junitSuites
	require.NoError(t, xml.Unmarshal(b.Bytes(), &suites))
	require.Len(t, suites.Suites, 1)
	s := suites.Suites[0]
	assert.Equal(t, []int{6, 1, 1, 2}, []int{s.Tests, s.Failures, s.Errors, s.Skipped})
	assert.Equal(t, "0.074", s.Time)
	assert.Equal(t, "ccde.source.token", s.Cases[0].ClassName)
	assert.Equal(t, "tells SRC-10", s.Cases[0].Name)
	assert.Nil(t, s.Cases[0].Failure)
	require.NotNil(t, s.Cases[1].Failure)
	assert.Equal(t, "SRC-11 failed: 200", s.Cases[1].Failure.Message)
	assert.Contains(t, s.Cases[1].Failure.Text, "expected: 400 <b>&")
	assert.Contains(t, s.Out, "SRC-12")
	require.NotNil(t, s.Cases[3].Error)
	require.NotNil(t, s.Cases[5].Skipped)
	// The schema wants this order.
	for _, pair := range [][2]string{{"<properties>", "<testcase"}, {"</testcase>", "<system-out>"}, {"<system-out>", "<system-err>"}} {
		assert.Less(t, strings.Index(text, pair[0]), strings.Index(text, pair[1]), pair)
	}
}

func TestWriteHTML(t *testing.T) {
	var b bytes.Buffer
	run := all()
	run.Scenarios[0].Exchanges[0].ResponseBody = `<script>alert("x")</script>` + strings.Repeat("ü", shownAbout)
	run.Scenarios[1].Name = `a "quoted" <name>`
	require.NoError(t, WriteHTML(&b, run))
	text := b.String()
	assert.Contains(t, text, "Not conformant")
	assert.NotContains(t, text, `<script>alert`, "what came over the wire is text")
	assert.Contains(t, text, "bytes more, see report.json")
	assert.NotContains(t, text, "\uFFFD")
	assert.NotContains(t, text, "ZgotmplZ", "nothing was refused by the template's filters")
	for _, outside := range []string{"src=", "<link", "@import", "url("} {
		assert.NotContains(t, text, outside, "it needs nothing from elsewhere")
	}
	for _, s := range run.Scenarios {
		assert.Contains(t, text, `id="`+anchor(s.ID)+`"`)
	}
	for _, v := range []Verdict{Passed, Failed, Warning, Error, Skipped, Unjudged} {
		assert.Contains(t, text, `for="f-`+v+`"`)
	}
	require.NoError(t, WriteHTML(&b, &Run{}), "an empty run has a page too")
}

func TestFindingsThatAreAlikeAreOne(t *testing.T) {
	run := sampleRun(req("SRC-11", SHALL, Failed))
	for i := range 5 {
		s := run.Scenarios[0]
		s.ID, s.Name = s.ID+strings.Repeat("x", i+1), "the same "+strings.Repeat("x", i+1)
		s.Findings = []Finding{{ID: "SRC-11", Level: SHALL, Verdict: Failed, Expected: "400 <b>&", Found: "200"}}
		run.Scenarios = append(run.Scenarios, s)
	}
	run.Scenarios[5].Findings[0].Found = "201"
	run.RollUp()
	v := view(run)
	require.Len(t, v.Findings, 2)
	assert.Len(t, v.Findings[0].First(), shownAtFirst)
	assert.Len(t, v.Findings[0].More(), 2)
	assert.Len(t, v.Findings[1].In, 1)
	var b bytes.Buffer
	require.NoError(t, WriteHTML(&b, run))
	assert.Contains(t, b.String(), "and 2 more")
}

func TestCode(t *testing.T) {
	for in, want := range map[string]string{"": "", "a `$jwt` <b>": "a <code>$jwt</code> &lt;b&gt;", "`a` and `b`": "<code>a</code> and <code>b</code>", "odd `a": "odd `a"} {
		assert.Equal(t, want, string(code(in)))
	}
}
