package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

func call(t *testing.T, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = execute(streams{out: &o, err: &e, env: func(name string) string { return env[name] }}, args)
	return code, o.String(), e.String()
}

func TestBadUsage(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report")
	file := filepath.Join(t.TempDir(), "system.yaml")
	require.NoError(t, os.WriteFile(file, []byte("system: {name: A}\nsource: {fhir: http://a.example/r3}\n"), 0o600))
	broken := filepath.Join(t.TempDir(), "broken.star")
	require.NoError(t, os.WriteFile(broken, []byte("\non_anser(f)"), 0o600))
	cases := []struct {
		args string
		env  map[string]string
		want string
	}{
		{"bogus", nil, `command "bogus" is unknown`},
		{"certfy", nil, `command "certfy" is unknown; is "certify" meant?`},
		{"certify x", nil, `"ccde init x" writes one`},
		{"certify x y", nil, `takes one file, but got "y" too`},
		{"certify --bogus", nil, "see \"ccde certify --help\""},
		{"certify --requirment SRC-14", nil, `is "--requirement" meant?`},
		{"certify --requirement SCR-14", nil, `--requirement "SCR-14" is no requirement; is "SRC-14" meant?`},
		{"certify --role source", nil, "--role and --set are about a system's file"},
		{"certify --failed --report " + report, nil, "so no last time; run without --failed"},
		{"certify --tags @SRC-144 --report " + report, nil, `no scenario has the tag @SRC-144; is "@SRC-14" meant?`},
		{"certify --requirement SRC-14 --tags @CAV-02", nil, "no scenario selected out of"},
		{"certify " + file + " --role sorce", nil, `--role "sorce" is unknown; is "source" meant?`},
		{"certify " + file + " --role cavs", nil, "not described in the file, which has source"},
		{"certify " + file + " --set source.fihr=x", nil, `--set: the field "source.fihr" is unknown; is "fhir" meant?`},
		{"certify " + file + " --set source.fhir", nil, "write it like source.fhir="},
		{"certify " + file + " --runtime docker", nil, "behind the front door; leave it out"},
		{"certify " + file + " --tls", nil, "give tls.cert and tls.key"},
		{"certify " + file + " --dialect stu3", nil, `system.dialect: "stu3" is unknown`},
		{"certify " + file + " --requirement SRC-61", nil, "it is not judged: a MAY that the system does not claim"},
		{"certify " + file + " --requirement CAV-02", nil, "judged is the system as source"},
		{"certify " + file, map[string]string{"CCDE_SOURCE_FHIR": "here"}, "CCDE_SOURCE_FHIR: source.fhir"},
		{"doctor", nil, "name the system's file"},
		{"doctor /nowhere/x.yaml", nil, `"ccde init /nowhere/x.yaml" writes one`},
		{"init /nowhere/x.yaml", nil, "name another file"},
		{"init --role all", nil, `--role "all" is unknown`},
		{"certify --runtime podman", nil, "give auto, docker or embedded"},
		{"certify", map[string]string{"CCDE_DIALECT": "x"}, `CCDE_DIALECT "x" is unknown; give strict or test.fhir.org`},
		{"certify", map[string]string{"CCDE_DOCKER": "x"}, `give require, auto or off`},
		{"certify --quiet --verbose", nil, "give one of them"},
		{"certify --concurrency -1", nil, "give 1 or more"},
		{"certify --tags @nothing --report " + report, nil, "no scenario selected out of"},
		{"certify --tags (@a --report " + report, nil, "a closing parenthesis is missing"},
		{"certify --report /dev/null/x", nil, "--report DIR"},
		{"up --nodes a,,b", nil, "a name is missing"},
		{"up --nodes a,a", nil, "twice"},
		{"up --nodes 0", nil, "give 1 to 26"},
		{"up --redirect /callback", nil, "clients[0].redirects[0]: \"/callback\" is no absolute URI"},
		{"up --script " + filepath.Join(report, "none.star"), nil, "no such file"},
		{"up --script nobody=x.star", nil, `there is no node "nobody"; there are source, target, cavs`},
		{"up --runtime embedded --empty --script " + broken, nil, "broken.star:2:1: undefined: on_anser"},
		{"steps x", nil, "takes no argument"},
	}
	for _, c := range cases {
		code, out, errs := call(t, c.env, strings.Fields(c.args)...)
		assert.Equal(t, reports.ExitUsage, code, c.args)
		assert.Contains(t, errs, c.want, c.args)
		assert.Empty(t, out, c.args)
		assert.NotContains(t, errs, "Usage:", "the error itself names the fix")
	}
}

func TestCodeOf(t *testing.T) {
	cases := []struct {
		err  error
		want int
	}{
		{nil, 0},
		{exit{code: 1}, 1},
		{fmt.Errorf("in the end: %w", exit{4, errors.New("stale")}), 4},
		{usage("bad"), 2},
		{&suite.UsageError{Err: errors.New("bad")}, 2},
		{errors.New("Docker is required"), 3},
	}
	for _, c := range cases {
		assert.Equal(t, c.want, codeOf(c.err), "%v", c.err)
	}
}

func TestHelpNamesExitCodesAndEnvironment(t *testing.T) {
	code, out, _ := call(t, nil, "certify", "--help")
	assert.Zero(t, code)
	for _, want := range []string{"Exit codes", "CCDE_RUNTIME", "CCDE_DOCKER", "CCDE_DIALECT", "CCDE_REPORT", "Examples:"} {
		assert.Contains(t, out, want)
	}
	for _, name := range []string{"", "certify", "doctor", "init", "up", "steps", "requirements", "clean", "version"} {
		code, out, _ := call(t, nil, strings.Fields(name+" --help")...)
		assert.Zero(t, code, name)
		assert.Contains(t, out, "Examples:", name)
	}
}

func TestLists(t *testing.T) {
	code, out, errs := call(t, nil, "steps", "--json")
	require.Zero(t, code, errs)
	var docs []struct{ Topic, Pattern, Doc string }
	require.NoError(t, json.Unmarshal([]byte(out), &docs))
	require.NotEmpty(t, docs)
	code, out, _ = call(t, nil, "steps")
	require.Zero(t, code)
	for _, d := range docs {
		assert.Contains(t, out, d.Pattern)
		assert.NotEmpty(t, d.Doc, d.Pattern)
	}
	code, out, errs = call(t, nil, "requirements", "--json")
	require.Zero(t, code, errs)
	var reqs []suite.Requirement
	require.NoError(t, json.Unmarshal([]byte(out), &reqs))
	assert.Len(t, reqs, 123)
	code, out, _ = call(t, nil, "requirements", "--verbose")
	require.Zero(t, code)
	assert.Contains(t, out, "SRC-14  SHALL")
	code, out, _ = call(t, nil, "version")
	assert.Zero(t, code)
	assert.Contains(t, out, "ccde ")
}

func TestNodeNames(t *testing.T) {
	names, err := nodeNames("3")
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c"}, names)
	names, err = nodeNames("source, target")
	require.NoError(t, err)
	assert.Equal(t, []string{"source", "target"}, names)
}

func TestNodesAsJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, printJSON(&b, []cluster.Node{{Name: "a", FHIR: "http://a/r3", ControlURL: "http://c", Secret: "s"}}, "c", "d",
		control.Settings{Clients: upClients([]string{"http://e/f"})[1:], People: control.DefaultPeople()}))
	assert.JSONEq(t, `{"nodes":[{"name":"a","fhir":"http://a/r3","control":"http://c","secret":"s"}],"consumer":"c","admin":"d",
		"clients":[{"id":"public-app","name":"Sample app without a secret","redirects":["http://e/f"]}],
		"people":[{"user":"person","password":"person-password"}]}`, b.String())
}

func TestProgressIsNeverSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := newProgress(&b, func(string) string { return "" }, false, false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		p.mu.Lock()
		assert.Contains(t, b.String(), "starting · 1 s")
		b.Reset()
		p.mu.Unlock()
		sc := &reports.Scenario{Name: "target copies every page", Verdict: reports.Failed}
		p.event(suite.Event{Kind: suite.RuntimeChosen, Message: "runtime embedded", Total: 80})
		p.event(suite.Event{Kind: suite.Started, Scenario: sc, Total: 80, Done: 11, Running: []string{sc.Name}})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		p.mu.Lock()
		assert.Contains(t, b.String(), "11 of 80 · target copies every page · ")
		p.mu.Unlock()
		p.event(suite.Event{Kind: suite.Finished, Scenario: sc, Total: 80, Done: 12})
		p.close()
		assert.Contains(t, b.String(), "12 of 80 · target copies every page · failed\n")
		assert.True(t, strings.HasPrefix(b.String(), "runtime embedded\n"))
	})
}

func TestProgressOnATerminal(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b, func(name string) string { return map[string]string{"COLUMNS": "30"}[name] }, false, false)
	p.mu.Lock()
	p.terminal = true
	p.mu.Unlock()
	sc := &reports.Scenario{Name: "target copies every page, and then some more", Verdict: reports.Passed}
	p.event(suite.Event{Kind: suite.Started, Scenario: sc, Total: 80, Running: []string{sc.Name}})
	p.event(suite.Event{Kind: suite.Finished, Scenario: sc, Total: 80, Done: 1})
	p.close()
	assert.NotContains(t, b.String(), "\n", "one line that is written over")
	for _, line := range strings.Split(b.String(), "\r") {
		assert.LessOrEqual(t, len([]rune(line)), 29)
	}
}

func TestSummary(t *testing.T) {
	run := &reports.Run{Requirements: []reports.Requirement{{ID: "SRC-14", Role: "source", Level: "SHALL"}}, Scenarios: []reports.Scenario{{
		Name: "Consent is not active", URI: "source/authorize.feature", Line: 7, Role: "source", Requirements: []string{"SRC-14"}, Verdict: "failed",
		Findings:  []reports.Finding{{ID: "SRC-14", Level: "SHALL", Verdict: "failed", Expected: "an error", Found: "200", Exchanges: []int{2}}},
		Exchanges: []reports.Exchange{{Seq: 2, From: "person's app", To: "source", Method: "POST", URL: "http://x/r3/Consent/1/$authorize", Status: 200, ResponseBody: `{"a": 1}`}},
	}}}
	run.RollUp()
	var b bytes.Buffer
	summarize(&b, run)
	for _, want := range []string{"FAILED: Consent is not active", "source/authorize.feature:7", "expected: an error", "found:    200",
		"> POST http://x/r3/Consent/1/$authorize", "< 200", `< {"a": 1}`, "Source EHR", "Not conformant. 1 scenario, 1 requirement"} {
		assert.Contains(t, b.String(), want)
	}
}
