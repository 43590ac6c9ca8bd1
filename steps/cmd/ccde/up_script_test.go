package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func TestUpScripts(t *testing.T) {
	dir := t.TempDir()
	plain, odd := filepath.Join(dir, "busy.star"), filepath.Join(dir, "a=b.star")
	for _, file := range []string{plain, odd} {
		require.NoError(t, os.WriteFile(file, []byte("skip(\"SRC-14\")"), 0o600))
	}
	text := "skip(\"SRC-14\")"
	got, err := upScripts([]string{plain, "target=" + plain, odd}, []string{"cavs", "source", "target"})
	require.NoError(t, err)
	assert.Equal(t, upScriptList{{"source", control.Script{Name: "busy.star", Text: text}}, {"target", control.Script{Name: "busy.star", Text: text}},
		{"source", control.Script{Name: "a=b.star", Text: text}}}, got[:min(len(got), 3)])
	got, err = upScripts([]string{plain}, []string{"a", "b"})
	require.NoError(t, err)
	assert.Equal(t, "a", got[0].node, "without a source the first")
}
