package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/steps/config"
	"example.org/ccde/steps/suite"
)

func TestInit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	code, out, errs := call(t, nil, "init", file, "--role", "source,cavs", "--name", `My "EHR": 1`, "--listen", ":9100", "--advertise", "http://harness.example:9100/")
	require.Zero(t, code, errs)
	s, err := suite.ReadSystem(file, func(string) string { return "" })
	require.NoError(t, err)
	assert.Equal(t, []string{"source", "cavs"}, s.Roles())
	assert.Equal(t, []string{`My "EHR": 1`, ":9100", "http://harness.example:9100"}, []string{s.System.Name, s.Listen, s.Advertised()})
	keys, err := config.ReadKeys(filepath.Join(filepath.Dir(file), "harness.pem"))
	require.NoError(t, err)
	for _, want := range []string{"http://harness.example:9100/jwks.json", "http://harness.example:9100/target/auth/auth_key", "http://harness.example:9100/cavs/auth/cavs",
		"http://harness.example:9100/source-2/r3", keys.Issuer, "ccde certify " + file} {
		assert.Contains(t, out, want)
	}
	assert.NotContains(t, out, "the target may call", "that role is not described")

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, "# mine\n"...), 0o600))
	code, again, errs := call(t, nil, "init", file)
	require.Zero(t, code, errs)
	assert.Contains(t, again, "left as it is")
	assert.Contains(t, again, keys.Issuer, "the same key")
	now, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(now), "# mine")

	code, out, errs = call(t, nil, "init", file, "--force", "--json")
	require.Zero(t, code, errs)
	now, err = os.ReadFile(file)
	require.NoError(t, err)
	assert.NotContains(t, string(now), "# mine")
	var door config.Door
	require.NoError(t, json.Unmarshal([]byte(out), &door))
	assert.Equal(t, keys.Issuer, door.Issuer)
	assert.Equal(t, "http://127.0.0.1:9000/jwks.json", door.KeySet)

	broken := filepath.Join(t.TempDir(), "x.yaml")
	code, _, errs = call(t, nil, "init", broken, "--advertise", "harness:9100")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "no absolute http(s) URL")
	assert.NoFileExists(t, broken)
}
