package cluster

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func TestOnDemandNodesStartWhenAskedFor(t *testing.T) {
	ctx, rt := testContext(t), newTestEmbedded(t)
	p, err := NewPool(ctx, rt, 0, Spec{Name: "source", Load: [][]byte{[]byte(patientBundle)}}, Spec{Name: "target"}, Spec{Name: "cavs"})
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close(context.Background())) }()
	var prepared []string
	c, release, err := p.Lease(ctx, OnDemand(), Prepared(func(_ context.Context, n Node) error {
		prepared = append(prepared, n.Name)
		return nil
	}))
	require.NoError(t, err)
	defer release()
	assert.Empty(t, c.Nodes())

	target, err := c.Node(ctx, "target")
	require.NoError(t, err)
	assert.Len(t, c.Nodes(), 1)
	require.NoError(t, c.Advance(ctx, 24*time.Hour))
	_, err = c.Add(ctx, Spec{Name: "source"})
	assert.ErrorContains(t, err, `name "source": a node has it already`)

	source, err := c.Node(ctx, "source")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status(t, rt, c, "source", http.MethodGet, "/Patient/anna", ""), "it holds its bundles")
	for _, n := range []Node{source, target} {
		state, err := n.Control.Clock(ctx)
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now().Add(24*time.Hour), state.Now, 10*time.Second, "the clock of %s", n.Name)
		settings, err := n.Control.Settings(ctx)
		require.NoError(t, err)
		assert.Equal(t, []control.KeySource{{URL: target.Root + "/auth/auth_key"}, {URL: source.Root + "/auth/auth_key"}}, settings.Trust)
	}

	require.NoError(t, c.WakeAll(ctx))
	assert.Equal(t, []string{"target", "source", "cavs"}, prepared)
	_, err = c.Node(ctx, "sauce")
	assert.ErrorContains(t, err, `no node "sauce"`)
}

func TestPreparedMeetsTheNodesOfAKeptCluster(t *testing.T) {
	ctx := testContext(t)
	p := newKeptPool(t, newTestFake(t, Options{}), 1)
	var prepared []string
	c, release, err := p.Lease(ctx, Prepared(func(_ context.Context, n Node) error {
		prepared = append(prepared, n.Name)
		return nil
	}))
	require.NoError(t, err)
	_, err = c.Add(ctx, Spec{Name: "extra"})
	require.NoError(t, err)
	release()
	c, release, err = p.Lease(ctx)
	require.NoError(t, err)
	defer release()
	_, err = c.Add(ctx, Spec{Name: "later"})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "extra"}, prepared, "the next one's nodes are not prepared")
}

func TestANodeThatWasDownTrustsThoseWhoCameMeanwhile(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	c := startFake(t, f, Spec{Name: "a"}, Spec{Name: "b"}, Spec{Name: "c"})
	require.NoError(t, c.Kill(ctx, "a"))
	require.NoError(t, c.Pause(ctx, "b"))
	extra, err := c.Add(ctx, Spec{Name: "extra"})
	require.NoError(t, err)
	require.NoError(t, c.Restart(ctx, "a"))
	require.NoError(t, c.Resume(ctx, "b"))
	for _, name := range []string{"a", "b", "c"} {
		assert.Contains(t, urls(f.Node(c, name).Settings().Trust), extra.Root+"/auth/auth_key", name)
	}
}
