package mockehr

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func TestScriptsAtTheControlPort(t *testing.T) {
	n := newNode(t, func(c *Config) { c.Secret = "s" })
	server := httptest.NewServer(n.controlHandler())
	defer server.Close()
	c, ctx := control.New(server.URL, "s", nil), t.Context()
	require.NoError(t, c.Snapshot(ctx))
	metadata := func() int { return n.get("/metadata").StatusCode }

	state, err := c.AddScript(ctx, control.Script{Name: "a b.star", Text: "on_request(lambda r: answer(418), path='/r3/metadata')\non_request(lambda r: 1 // 0)"})
	require.NoError(t, err)
	assert.Equal(t, control.ScriptState{Name: "a b.star", Rules: []string{"a b.star:1", "a b.star:2"}}, state)
	assert.Equal(t, 418, metadata())
	assert.Equal(t, 404, n.get("/nothing").StatusCode)
	scripts, err := c.Scripts(ctx)
	require.NoError(t, err)
	require.Len(t, scripts, 1)
	assert.Equal(t, []string{"a b.star:2:24: floored division by zero"}, scripts[0].Errors)

	for text, want := range map[string]string{
		"x": "400 Bad Request: new.star:1:1: undefined: x", "skip('SRC-99')": "the node decides nothing under SRC-99", "skip('SRC-31')": "SRC-31 is a value",
	} {
		_, err = c.AddScript(ctx, control.Script{Name: "new.star", Text: text})
		require.ErrorContains(t, err, want)
	}
	_, err = c.AddScript(ctx, control.Script{Name: "a b.star"})
	require.ErrorContains(t, err, `"a b.star" is another script's`)
	require.ErrorContains(t, c.RemoveScript(ctx, "none"), `404 Not Found: there is no script "none"`)
	require.NoError(t, c.RemoveScript(ctx, "a b.star"))
	assert.Equal(t, 200, metadata())

	for name, clear := range map[string]func() error{
		"scripts": func() error { return c.ClearScripts(ctx) },
		"rules":   func() error { return c.ClearRules(ctx) },
		"reset":   func() error { return c.Reset(ctx) },
	} {
		_, err = c.AddScript(ctx, control.Script{Name: "again.star", Text: "on_request(lambda r: answer(418))"})
		require.NoError(t, err)
		assert.Equal(t, 418, metadata(), name)
		require.NoError(t, clear())
		assert.Equal(t, 200, metadata(), name)
		scripts, err = c.Scripts(ctx)
		require.NoError(t, err)
		assert.Empty(t, scripts, name)
	}
}
