package mockehr

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/fhir"
)

const scriptPage = "script/README.md"

var (
	update  = flag.Bool("update", false, "write the generated part of script/README.md")
	example = regexp.MustCompile("(?s)```python\n(.*?)```(.*?)```try\n(.*?)```")
	tryLine = regexp.MustCompile(`^(GET|POST|PUT|DELETE) (\S+)(?: as (\{[^}]*\}|\S+))?(?: (\S+))? -> (\d+|broken)(?: "(.*)")?$`)
)

// scripted is a node with the fixtures and an authorized application, as the examples of the page have it.
func scripted(t *testing.T) (n *node, words *strings.Replacer) {
	n = newNode(t)
	bundles, err := fixtures.Bundles()
	require.NoError(t, err)
	for _, raw := range bundles {
		var resources []*fhir.Object
		for _, entry := range parsed(t, string(raw)).Objects("entry") {
			resources = append(resources, entry.Child("resource"))
		}
		require.NoError(t, n.store.Load(t.Context(), resources))
	}
	n.trustItself()
	made := n.post("/Consent", consentFor("example", "user/*.read"))
	require.Equal(t, 201, made.StatusCode, made.body)
	consent, jwt := made.resource(t).ID(), n.jwtOf()
	authorized := n.post("/Consent/"+consent+"/$authorize", `{"resourceType":"Parameters","parameter":[
		{"name":"duration","valueDuration":{"value":1,"system":"http://unitsofmeasure.org","code":"d"}},{"name":"jwt","valueString":"`+jwt+`"}]}`)
	require.Equal(t, 200, authorized.StatusCode, authorized.body)
	authorization := regexp.MustCompile(`"valueId":"([^"]*)"`).FindStringSubmatch(authorized.body)[1]
	token := n.as(jwt).do("POST", "/auth/token", form("grant_type", "client_credentials", "scope", authorization), "Content-Type", typeForm)
	require.Equal(t, 200, token.StatusCode, token.body)
	access := regexp.MustCompile(`"access_token":"([^"]*)"`).FindStringSubmatch(token.body)[1]
	return n, strings.NewReplacer("{jwt}", jwt, "{another jwt}", n.jwtOf(), "{authorization}", authorization, "{token}", access,
		"{consent}", consent, "{source}", n.base())
}

func TestScriptPage(t *testing.T) {
	page, err := os.ReadFile(scriptPage)
	require.NoError(t, err)
	examples := example.FindAllStringSubmatch(string(page), -1)
	require.Len(t, examples, strings.Count(string(page), "```python"), "each example has a try block")
	for i, ex := range examples {
		name, _, _ := strings.Cut(strings.TrimPrefix(ex[1], "# "), "\n")
		t.Run(name, func(t *testing.T) {
			n, words := scripted(t)
			_, err := n.script.Load(t.Context(), control.Script{Name: fmt.Sprintf("example-%d.star", i+1), Text: ex[1]})
			require.NoError(t, err)
			for line := range strings.Lines(strings.TrimSpace(ex[3])) {
				n.try(strings.TrimSpace(line), words)
			}
			state := n.script.Scripts()[0]
			assert.Empty(t, state.Errors)
			for _, ex := range n.script.History(control.HistoryQuery{}) {
				assert.Empty(t, ex.Faults)
			}
		})
	}
}

// try carries out a line of a try block.
func (n *node) try(line string, words *strings.Replacer) {
	n.t.Helper()
	switch word, rest, _ := strings.Cut(line, " "); word {
	case "logs":
		assert.Contains(n.t, strings.Join(n.script.Scripts()[0].Log, "\n"), strings.Trim(rest, `"`))
		return
	case "after":
		d, err := time.ParseDuration(rest)
		require.NoError(n.t, err)
		n.clock.Add(d)
		return
	case "rest":
		ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
		defer cancel()
		require.NoError(n.t, n.clock.Idle(ctx))
		return
	}
	m := tryLine.FindStringSubmatch(line)
	require.NotNil(n.t, m, "a try line is METHOD PATH [as BEARER] [BODY] -> STATUS [\"text\"], not %q", line)
	as := n
	if m[3] != "" {
		as = n.as(words.Replace(m[3]))
	}
	if m[5] == "broken" {
		res, err := as.client.Get(n.cfg.Root + m[2])
		if err == nil {
			_, err = res.Body.Read(make([]byte, 1<<20))
			for err == nil {
				_, err = res.Body.Read(make([]byte, 1<<20))
			}
			require.NoError(n.t, res.Body.Close())
		}
		assert.ErrorContains(n.t, err, "EOF", line)
		return
	}
	body, header := "", []string{}
	if m[4] != "" {
		values, err := url.ParseQuery(m[4])
		require.NoError(n.t, err)
		for name := range values {
			values.Set(name, words.Replace(values.Get(name)))
		}
		body, header = values.Encode(), []string{"Content-Type", typeForm}
	}
	as.client.CheckRedirect = noRedirect
	a := as.do(m[1], words.Replace(m[2]), body, header...)
	assert.Equal(n.t, m[5], strconv.Itoa(a.StatusCode), "%s: %s", line, a.body)
	assert.Contains(n.t, a.body, m[6], line)
}

// Every function is on the page, in an example.
func TestScriptPageNamesEveryFunction(t *testing.T) {
	page, err := os.ReadFile(scriptPage)
	require.NoError(t, err)
	code := ""
	for _, ex := range example.FindAllStringSubmatch(string(page), -1) {
		code += ex[1]
	}
	names := newNode(t).script.Names()
	require.NotEmpty(t, names)
	documented := regexp.MustCompile("`[^`\n]*`").FindAllString(string(page), -1)
	for _, name := range names {
		found := strings.Contains(code, name+"(")
		for _, text := range documented {
			found = found || strings.Contains(text, name)
		}
		assert.True(t, found, "the page says nothing of %s", name)
	}
	for _, name := range []string{"on_request", "on_answer", "on_send", "on_reply", "override", "skip", "answer", "redirect", "drop", "cut", "throttle", "wait",
		"request", "count", "log", "sha256", "fhir.search", "http.post", "jwt.decode", "jwt.sign", "json.encode", "base64.encode", "base64.decode", "time.now"} {
		assert.Contains(t, code, name+"(", "an example")
	}
}

// The table of checks on the page is that of the code; -update writes it.
func TestScriptPageListsTheChecks(t *testing.T) {
	page, err := os.ReadFile(scriptPage)
	require.NoError(t, err)
	const begin, end = "<!-- checks -->\n", "<!-- /checks -->"
	var b strings.Builder
	b.WriteString("| id | decides | inputs |\n|---|---|---|\n")
	for _, k := range check.All() {
		what := "yes or no"
		if k.Value != "" && k.YesOrNo {
			what += "; and a value: " + k.Value
		} else if k.Value != "" {
			what = k.Value
		}
		inputs := ""
		if k.Inputs != "" {
			inputs = "`" + strings.ReplaceAll(k.Inputs, " ", "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", k.ID, what, inputs)
	}
	head, rest, ok := strings.Cut(string(page), begin)
	require.True(t, ok)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok)
	want := head + begin + b.String() + end + tail
	if *update {
		require.NoError(t, os.WriteFile(scriptPage, []byte(want), 0o644)) //nolint:gosec // a page for all
		return
	}
	assert.Equal(t, want, string(page), "run go test ./mockehr -run ScriptPage -update")
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
