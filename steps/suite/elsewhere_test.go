package suite_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/steps/suite"
)

// TestAnotherModule runs the tests of the module in testdata/elsewhere, which
// uses the suite from outside: as they are, and with a fault in its server. It
// needs no network: the module takes nothing but what this one has.
func TestAnotherModule(t *testing.T) {
	if suite.UnderRace {
		t.Skip("the module's tests are built without the race detector, so this would only do the same again")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	run := func(t *testing.T, args ...string) (string, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir = t.TempDir()
		require.NoError(t, os.CopyFS(cmd.Dir, os.DirFS("testdata/elsewhere")))
		// The versions of today, whatever its own files say of them.
		mod, err := os.ReadFile(filepath.Join(cmd.Dir, "go.mod"))
		require.NoError(t, err)
		mod = []byte(strings.Replace(string(mod), "=> ../../../..", "=> "+root, 1))
		require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, "go.mod"), mod, 0o600))
		sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, "go.sum"), sum, 0o600))
		if args[len(args)-1] == "broken" {
			cmd.Args = cmd.Args[:len(cmd.Args)-1]
			server, err := os.ReadFile(filepath.Join(cmd.Dir, "cavs.go"))
			require.NoError(t, err)
			broken := strings.Replace(string(server), `status, message := "unknown"`, `status, message := "approved"`, 1)
			require.NotEqual(t, string(server), broken)
			broken = strings.Replace(broken, `"healthy": true`, `"healthy": false`, 1)
			broken = strings.Replace(broken, "http.StatusOK, map[string]any{\"healthy\"", "http.StatusTeapot, map[string]any{\"healthy\"", 1)
			require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, "cavs.go"), []byte(broken), 0o600))
		}
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run(t, "test", "-count=1", "-v", "./...")
	require.NoError(t, err, out)
	for _, name := range []string{"A_registered_application_that_nobody_endorses_is_approved", "It_says_that_it_is_healthy", "The_shop_knows_nobody"} {
		assert.Contains(t, out, "--- PASS: TestConformance/"+name)
	}
	assert.NotContains(t, out, "fault of the harness")

	out, err = run(t, "test", "-count=1", "./...", "broken")
	require.Error(t, err)
	for _, want := range []string{"--- FAIL: TestConformance/A_good_JWT_of_no_application_is_unknown", "--- FAIL: TestConformance/It_says_that_it_is_healthy",
		"CAV-03 SHALL failed", "health SHALL failed", `"healthy":false`, "POST http"} {
		assert.Contains(t, out, want)
	}
	assert.NotContains(t, out, "A_JWT_that_has_a_bad_signature_is_invalid", "what is right still passes")
}
