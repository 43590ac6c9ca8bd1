package script

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/control"
)

// decides answers with what the node decides under SRC-14 (yes or no) and SRC-31 (a value).
func decides(n **node, verdict error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Value", check.Value(r.Context(), (*n).checks, "SRC-31", nil, "own"))
		if err := (*n).checks.Do(r.Context(), "SRC-14", nil, verdict); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func TestOverrides(t *testing.T) {
	own := errors.New("the node's own no")
	for name, c := range map[string]struct {
		rule    control.Rule
		verdict error
		status  int
		body    string
		value   string
		acted   bool
	}{
		"pass":                {control.Rule{Check: &control.Override{ID: "SRC-14", Verdict: "pass"}}, own, 204, "", "own", true},
		"pass what passes":    {control.Rule{Check: &control.Override{ID: "SRC-14", Verdict: "pass"}}, nil, 204, "", "own", true},
		"fail":                {control.Rule{Check: &control.Override{ID: "SRC-14", Verdict: "fail"}}, nil, 403, "refused by an override of SRC-14\n", "own", true},
		"fail as the node":    {control.Rule{Check: &control.Override{ID: "SRC-14", Verdict: "fail"}}, own, 403, "the node's own no\n", "own", true},
		"fail with a message": {control.Rule{Check: &control.Override{ID: "SRC-14", Verdict: "fail", Message: "why"}}, own, 403, "why\n", "own", true},
		"value":               {control.Rule{Check: &control.Override{ID: "SRC-31", Value: raw("other")}}, nil, 204, "", "other", true},
		"value null":          {control.Rule{Check: &control.Override{ID: "SRC-31", Value: raw(nil)}}, nil, 204, "", "", true},
		"value of no use":     {control.Rule{Check: &control.Override{ID: "SRC-31", Value: raw(1)}}, nil, 204, "", "own", true},
		"another check":       {control.Rule{Check: &control.Override{ID: "SRC-15", Verdict: "pass"}}, own, 403, "the node's own no\n", "own", false},
		"a request that fits": {control.Rule{Match: control.Match{Path: "/r3/*", Query: map[string]string{"a": "1"}},
			Check: &control.Override{ID: "SRC-14", Verdict: "pass"}}, own, 204, "", "own", true},
		"a request that doesn't fit": {control.Rule{Match: control.Match{Path: "/r3/Basic"},
			Check: &control.Override{ID: "SRC-14", Verdict: "pass"}}, own, 403, "the node's own no\n", "own", false},
		"skipped": {control.Rule{Skip: 1, Check: &control.Override{ID: "SRC-14", Verdict: "pass"}}, own, 403, "the node's own no\n", "own", false},
	} {
		t.Run(name, func(t *testing.T) {
			var n *node
			n = newNode(t, decides(&n, c.verdict))
			c.rule.ID = "it"
			n.add(c.rule)
			got := n.do(n.plain, "GET", "/r3/Consent?a=1", "")
			assert.Equal(t, c.status, got.status)
			assert.Equal(t, c.body, got.body)
			assert.Equal(t, c.value, got.header.Get("X-Value"))
			if c.acted {
				assert.Equal(t, []string{"it"}, n.last(control.Received).Rules)
			} else {
				assert.Empty(t, n.last(control.Received).Rules)
			}
		})
	}
}

// An override ends with its rule.
func TestOverrideEnds(t *testing.T) {
	own := errors.New("no")
	for name, c := range map[string]struct {
		rule control.Rule
		end  func(n *node)
	}{
		"removed": {control.Rule{}, func(n *node) { require.True(t, n.Remove("it")) }},
		"cleared": {control.Rule{}, func(n *node) { n.Clear() }},
		"used up": {control.Rule{Times: 1}, func(*node) {}},
	} {
		t.Run(name, func(t *testing.T) {
			var n *node
			n = newNode(t, decides(&n, own))
			c.rule.ID, c.rule.Check = "it", &control.Override{ID: "SRC-14", Verdict: "pass"}
			n.add(c.rule)
			assert.Equal(t, 204, n.do(n.plain, "GET", "/", "").status)
			c.end(n)
			assert.Equal(t, 403, n.do(n.plain, "GET", "/", "").status)
		})
	}
}

// What the node decides on its own is no request's: only a rule that matches anything decides it.
func TestOverrideWithoutRequest(t *testing.T) {
	n := newNode(t, echo)
	own := errors.New("no")
	n.add(control.Rule{ID: "some", Match: control.Match{Path: "**"}, Check: &control.Override{ID: "SRC-14", Verdict: "pass"}})
	require.ErrorIs(t, n.checks.Do(t.Context(), "SRC-14", nil, own), own)
	n.add(control.Rule{ID: "all", Check: &control.Override{ID: "SRC-14", Verdict: "pass"}})
	require.NoError(t, n.checks.Do(t.Context(), "SRC-14", nil, own))
}
