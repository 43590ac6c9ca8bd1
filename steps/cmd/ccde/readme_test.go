package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
)

// TestReadmeByHand pastes the README's walk through the protocol into a shell,
// against the cluster that ccde up starts.
func TestReadmeByHand(t *testing.T) {
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			require.NotEqual(t, "true", os.Getenv("CI"), "%s is needed: %v", tool, err)
			t.Skipf("SKIPPED, the README's commands were not tried: %v", err)
		}
	}
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	_, script, ok := strings.Cut(string(readme), "```sh\n")
	require.True(t, ok, "README.md has a block of shell commands")
	script, _, _ = strings.Cut(script, "```")

	rt, _, err := cluster.Auto(t.Context(), cluster.ChooseEmbedded, cluster.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rt.Close(context.Background())) })
	specs, err := upSpecs([]string{"source", "target", "cavs"}, control.Settings{Dialect: "strict"}, false)
	require.NoError(t, err)
	c, err := cluster.Start(t.Context(), rt, specs...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close(context.Background())) })
	require.NoError(t, askCAVS(t.Context(), c))

	consumer, admin := cluster.Bearers(rt)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// The person reads for a while between two lines: so step 6 finds the copy.
	script = strings.Replace(script, "# 6", `until curl -s "$CONNECTION" -H "Authorization: Bearer $CONSUMER" | grep -q waiting; do :; done
# 6`, 1)
	shell := exec.CommandContext(ctx, "sh", "-eu", "-c", script)
	shell.Env = append(os.Environ(), "CONSUMER="+consumer, "ADMIN="+admin)
	for _, n := range c.Nodes() {
		shell.Env = append(shell.Env, variable(n.Name)+"="+n.FHIR)
	}
	var errs strings.Builder
	shell.Stderr = &errs
	out, err := shell.Output()
	require.NoError(t, err, "%s\n%s", out, errs.String())
	text := string(out)
	for _, want := range []string{
		`"name": "status"`, `"total": 1,`, `"family": "van der Brønsted-Łuczak"`, `"status":"unknown"`,
		`"url":"token","valueUri":"http`, `there is no Patient/other here, or none for this bearer`, "Connection Stopped",
	} {
		assert.True(t, strings.Contains(text, want), "%q is not in what the commands print", want)
	}
	assert.Equal(t, 2, strings.Count(text, `"family": "van der Brønsted-Łuczak"`), "the copy, and the original read with the token")
}
