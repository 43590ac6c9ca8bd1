package suite

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/features"
	"example.org/ccde/reports"
	"example.org/ccde/steps"
)

func TestARunSaysWhatItIsAbout(t *testing.T) {
	const text = "Feature: Tiny\n @SRC-14 @a\n Scenario: one\n  Given it works\n @SRC-35\n Scenario: two\n  Given it works\n"
	extra := fstest.MapFS{"more/own.feature": {Data: []byte("Feature: Own\n @SRC-14\n Scenario: three\n  Given it works\n")}}
	whole := try(t, text, func(o *Options) {
		o.ExtraFeatures, o.System, o.SystemVersion, o.Vendor = extra, "Acme EHR", "4.2", "Acme"
		o.Waivers = []Waiver{{ID: "SRC-14", Reason: "fixed", Until: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}}
	})
	assert.Empty(t, whole.Selection)
	assert.Empty(t, whole.Judged, "mocks played all")
	assert.Equal(t, []string{"Acme EHR", "4.2", "Acme"}, []string{whole.System, whole.SystemVersion, whole.Vendor})
	var paths []string
	for _, d := range whole.Files {
		paths = append(paths, d.Path)
	}
	assert.Equal(t, []string{"more/own.feature", catalogueFile, "source/tiny.feature"}, paths)
	sum := sha256.Sum256([]byte(text))
	assert.Equal(t, hex.EncodeToString(sum[:]), whole.Files[2].SHA256)
	require.Len(t, whole.Waivers, 1)
	assert.True(t, whole.Waivers[0].Stale, "it is over")

	part := try(t, text, func(o *Options) { o.Tags, o.Requirements = "@a", []string{"SRC-14"} })
	assert.Equal(t, "tags @a; requirements SRC-14", part.Selection)
	assert.Equal(t, whole.Files[1:], part.Files, "of all files, selected or not")
}

func TestDigestsAreOfTheProjectsOwnFiles(t *testing.T) {
	all, err := Digests()
	require.NoError(t, err)
	for _, d := range all {
		text, err := features.FS.ReadFile(d.Path)
		require.NoError(t, err)
		sum := sha256.Sum256(text)
		assert.Equal(t, hex.EncodeToString(sum[:]), d.SHA256, d.Path)
	}
	assert.Greater(t, len(all), 10)
}

func TestJudgedRolesByURL(t *testing.T) {
	opt := &Options{Roles: map[string]steps.Role{"source": {FHIR: "http://a/r3"}, "cavs": {FHIR: "http://a/r3", CAVS: "http://a/auth/cavs"}}}
	assert.Equal(t, []reports.JudgedRole{{Role: "source", URL: "http://a/r3"}, {Role: "cavs", URL: "http://a/auth/cavs"}}, judgedRoles(opt, []string{"source", "cavs"}))
	assert.Empty(t, judgedRoles(opt, nil))
}
