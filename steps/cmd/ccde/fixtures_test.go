package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
)

// TestExportedFixturesLoad runs the commands of the exported README, each against
// an empty node, which checks references.
func TestExportedFixturesLoad(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "curl is needed: %v", err)
		t.Skipf("SKIPPED, the README's commands were not tried: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "patients")
	code, out, errs := call(t, nil, "fixtures", "export", dir)
	require.Zero(t, code, errs)
	assert.Contains(t, out, "bundles/")
	code, _, errs = call(t, nil, "fixtures", "export", dir)
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "is not empty")
	code, _, errs = call(t, nil, "fixtures", "export", "--force", dir)
	assert.Zero(t, code, errs)

	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, blocks, 2)
	rt, err := cluster.NewEmbedded(cluster.Options{Admin: "the-admin"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rt.Close(context.Background())) })
	specs, err := upSpecs([]string{"a", "b", "control"}, control.Settings{Dialect: "strict"}, true)
	require.NoError(t, err)
	full, err := upSpecs([]string{"control"}, control.Settings{Dialect: "strict"}, false)
	require.NoError(t, err)
	specs[2] = full[0]
	c, err := cluster.Start(t.Context(), rt, specs...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close(context.Background())) })
	total := func(n cluster.Node, query string) float64 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.FHIR+query, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer the-admin")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		var b struct{ Total float64 }
		require.NoError(t, json.NewDecoder(res.Body).Decode(&b))
		return b.Total
	}
	for i, name := range []string{"a", "b"} {
		n, err := c.Node(t.Context(), name)
		require.NoError(t, err)
		shell := exec.CommandContext(t.Context(), "sh", "-eu", "-c", string(blocks[i][1]))
		shell.Dir = dir
		shell.Env = append(os.Environ(), "FHIR="+n.FHIR, "ADMIN=the-admin")
		said, err := shell.CombinedOutput()
		require.NoError(t, err, "%s", said)
		require.Empty(t, string(said))
		control, err := c.Node(t.Context(), "control")
		require.NoError(t, err)
		for _, query := range []string{"/Patient?_summary=count", "/Observation?patient=example&_summary=count", "/Binary?_summary=count", "/Practitioner?_summary=count"} {
			want := total(control, query)
			assert.Positive(t, want, query)
			assert.Equal(t, want, total(n, query), "%s %s", name, query)
		}
	}
}
