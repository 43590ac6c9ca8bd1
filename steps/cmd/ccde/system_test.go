package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// vendor is a folder with the file of a system, which is a node as "ccde up"
// starts it for that; endpoint is its FHIR base.
func vendor(t *testing.T) (file, endpoint string) {
	t.Helper()
	addr := freeAddr(t)
	f := upFlags{cavs: "http://" + addr + "/cavs/auth/cavs", update: time.Second,
		trust: []string{"http://" + addr + "/jwks.json", "http://" + addr + "/target/auth/auth_key"}}
	settings, err := f.settings("strict")
	require.NoError(t, err)
	specs, err := upSpecs([]string{"ehr"}, settings, false)
	require.NoError(t, err)
	rt, err := cluster.NewEmbedded(cluster.Options{Consumer: "s3cret-consumer", Admin: "s3cret-admin"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rt.Close(context.Background())) })
	c, err := cluster.Start(t.Context(), rt, specs...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close(context.Background())) })
	n, err := c.Node(t.Context(), "ehr")
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "system.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `system: {name: Acme, version: "1"}
source: {fhir: "%[1]s", consumer: {bearer: s3cret-consumer}, admin: {bearer: {env: ACME_ADMIN}}, cavs: ours}
cavs: {url: "%[2]s/auth/cavs", registry: {fhir: "%[1]s", bearer: {env: ACME_ADMIN}}}
listen: %[3]s
advertise: http://%[3]s
`, n.FHIR, n.Root, addr), 0o600))
	return file, n.FHIR
}

// writeKeyPair writes a key to sign with, and its public half.
func writeKeyPair(t *testing.T, private, public string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	der, err = x509.MarshalPKIXPublicKey(pub)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
}

var vendorEnv = map[string]string{"ACME_ADMIN": "s3cret-admin"}

func TestCertifyASystem(t *testing.T) {
	file, base := vendor(t)
	dir := filepath.Dir(file)
	report := filepath.Join(dir, "report")
	private := filepath.Join(dir, "sign.pem")
	pub := filepath.Join(dir, "pub.pem")
	writeKeyPair(t, private, pub)

	code, out, errs := call(t, vendorEnv, "doctor", file)
	require.Zero(t, code, out+errs)
	assert.Contains(t, out, "Acme 1 can be judged as source, cavs.")
	assert.Contains(t, out, "asks our CAVS there")

	code, out, errs = call(t, vendorEnv, "certify", file, "--list", "--tags", "@CAV-02 and @CAV-06")
	require.Zero(t, code, errs)
	assert.Contains(t, out, "cavs/decision.feature\n")
	assert.Regexp(t, `\n\d+ scenarios\n`, out)
	assert.NoDirExists(t, report, "nothing ran")

	args := []string{"certify", file, "--requirement", "src-14,CAV-02", "--report", report, "--sign", private}
	code, out, errs = call(t, vendorEnv, args...)
	require.Zero(t, code, out+errs)
	assert.Contains(t, errs, "checks before judging: good")
	for _, want := range []string{"Source EHR", "CAVS", "Conformant.", "Report: " + filepath.Join(report, "index.html"), "Certificate: "} {
		assert.Contains(t, out, want)
	}
	text, err := os.ReadFile(filepath.Join(report, "report.json"))
	require.NoError(t, err)
	var run reports.Run
	require.NoError(t, json.Unmarshal(text, &run))
	var ids []string
	for _, r := range run.Requirements {
		ids = append(ids, r.ID)
	}
	assert.Subset(t, ids, []string{"SRC-14", "CAV-02"})
	assert.NotContains(t, ids, "SRC-10", "not asked for")
	files, err := filepath.Glob(filepath.Join(report, "*"))
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, name := range files {
		held, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.NotContains(t, string(held), "s3cret", name)
	}

	certificate := filepath.Join(report, certificateFile)
	code, out, errs = call(t, nil, "verify", certificate, "--key", pub, "--report", filepath.Join(report, "report.json"))
	require.Zero(t, code, errs)
	for _, want := range []string{"Valid:", "source at " + base, "PARTIAL", "It can't vouch for:"} {
		assert.Contains(t, out, want)
	}
	require.NoError(t, os.WriteFile(filepath.Join(report, "report.json"), append(text, ' '), 0o600))
	code, _, errs = call(t, nil, "verify", certificate, "--key", pub, "--report", filepath.Join(report, "report.json"))
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "not the report that the certificate names")
	for _, wrong := range [][]string{{certificate}, {certificate, "--key", file}, {certificate, "--key", "/nowhere"}, {"/nowhere", "--key", pub}, {}, {certificate, "--key", pub, "--report", "/nowhere"}} {
		code, _, _ = call(t, nil, append([]string{"verify"}, wrong...)...)
		assert.Equal(t, 2, code, wrong)
	}
	code, _, _ = call(t, nil, "verify", file, "--key", pub)
	assert.Equal(t, 1, code, "no certificate at all")

	code, _, errs = call(t, vendorEnv, "certify", file, "--failed", "--report", report)
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "everything passed last time")
	code, _, errs = call(t, vendorEnv, "certify", file, "--failed", "--report", report, "--set", "system.name=Other")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, `is about "Acme", not about "Other"`)

	// Last time one scenario failed, and one was not reached.
	run.Interrupted = true
	failed := run.Scenarios[0].ID
	run.Scenarios[0].Verdict = reports.Failed
	missing := run.Scenarios[1].ID
	run.Scenarios = append(run.Scenarios[:1], run.Scenarios[2:]...)
	changed, err := json.Marshal(run)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(report, "report.json"), changed, 0o600))
	code, _, errs = call(t, vendorEnv, "certify", file, "--failed", "--requirement", "SRC-14,CAV-02", "--report", report)
	require.Zero(t, code, errs)
	text, err = os.ReadFile(filepath.Join(report, "report.json"))
	require.NoError(t, err)
	var again reports.Run
	require.NoError(t, json.Unmarshal(text, &again))
	var ran []string
	for _, s := range again.Scenarios {
		ran = append(ran, s.ID)
	}
	assert.ElementsMatch(t, []string{failed, missing}, ran)
}

func TestNothingIsJudgedWhereItCantBe(t *testing.T) {
	file, _ := vendor(t)
	report := filepath.Join(filepath.Dir(file), "report")
	for _, c := range []struct {
		set, want string
		code      int
	}{
		{"source.fhir=http://" + freeAddr(t) + "/r3", "connection refused", 3},
		{"source.consumer.bearer=wrong", "the bearer is refused (401)", 2},
		{"source.patient=nobody", "there is no Patient/nobody", 2},
	} {
		code, out, errs := call(t, vendorEnv, "certify", file, "--set", c.set, "--report", report, "--quiet")
		assert.Equal(t, c.code, code, c.set)
		assert.Contains(t, errs, c.want)
		assert.Contains(t, errs, "nothing was judged")
		assert.NotContains(t, strings.ToLower(out+errs), "failed", c.set)
		assert.NoFileExists(t, filepath.Join(report, "report.json"))

		code, out, _ = call(t, vendorEnv, "doctor", file, "--set", c.set, "--json")
		assert.Equal(t, c.code, code)
		var found suite.Diagnosis
		require.NoError(t, json.Unmarshal([]byte(out), &found))
		assert.Equal(t, c.code, found.Exit())
	}
}

func TestMissingFieldsAreSaidBefore(t *testing.T) {
	file, _ := vendor(t)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	less := strings.Replace(string(text), ", admin: {bearer: {env: ACME_ADMIN}}", "", 1)
	require.NoError(t, os.WriteFile(file, []byte(less), 0o600))
	code, _, errs := call(t, vendorEnv, "certify", file, "--requirement", "SRC-42", "--role", "source", "--report", filepath.Join(filepath.Dir(file), "report"))
	assert.Contains(t, errs, "unjudged without source.admin: SRC-42")
	assert.NotContains(t, errs, "cavs.registry")
	assert.Contains(t, []int{0, 3}, code)
}

func TestSettingsOfUp(t *testing.T) {
	f := upFlags{trust: []string{"http://h/jwks.json"}, cavs: "http://h/cavs", update: time.Second}
	s, err := f.settings("strict")
	require.NoError(t, err)
	assert.Equal(t, []any{"http://h/cavs", control.Duration(time.Second), []control.KeySource{{URL: "http://h/jwks.json"}}}, []any{s.CAVS, s.UpdateEvery, s.Trust})
}

func TestACommandThatDoesNotStart(t *testing.T) {
	file, _ := vendor(t)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, c := range []struct{ start, want string }{
		{"echo the port is taken >&2; exit 7", "it said:\n  the port is taken"},
		{"echo I am slow; sleep 60", "no answer from "},
	} {
		more := fmt.Sprintf("command: {start: %q}\ntimeouts: {copy: 1s, request: 1s}\n", c.start)
		require.NoError(t, os.WriteFile(file, append(text, more...), 0o600))
		code, _, errs := call(t, vendorEnv, "certify", file, "--set", "source.fhir=http://"+freeAddr(t)+"/r3", "--report", filepath.Join(t.TempDir(), "report"))
		assert.Equal(t, 3, code, errs)
		assert.Contains(t, errs, "command.start:")
		assert.Contains(t, errs, c.want)
	}
}
