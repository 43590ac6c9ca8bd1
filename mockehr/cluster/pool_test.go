package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newKeptPool(t *testing.T, f *Fake, size int) *Pool {
	f.Kept = true
	p, err := NewPool(t.Context(), f, size, Spec{Name: "a"}, Spec{Name: "b"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	return p
}

func TestPoolPutsAKeptClusterBack(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	p := newKeptPool(t, f, 1)
	c, release, err := p.Lease(ctx)
	require.NoError(t, err)
	require.NoError(t, c.Kill(ctx, "a"))
	_, err = c.Add(ctx, Spec{Name: "extra"})
	require.NoError(t, err)

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, _, err = p.Lease(short)
	require.ErrorIs(t, err, context.DeadlineExceeded, "one user at a time")

	release()
	release()
	again, release, err := p.Lease(ctx, Killable("a"))
	require.NoError(t, err)
	defer release()
	assert.Same(t, c, again)
	assert.Len(t, again.Nodes(), 2)
	assert.NoError(t, f.Node(again, "a").Alive(ctx))
	calls := f.Node(again, "b").Calls()
	assert.Equal(t, "POST /reset", calls[len(calls)-1])
}

func TestPoolKeepsSeveralClusters(t *testing.T) {
	ctx := testContext(t)
	p := newKeptPool(t, newTestFake(t, Options{}), 0)
	one, release1, err := p.Lease(ctx)
	require.NoError(t, err)
	defer release1()
	two, release2, err := p.Lease(ctx)
	require.NoError(t, err)
	defer release2()
	assert.NotSame(t, one, two)
}

func TestPoolReplacesAClusterThatCannotBePutBack(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	p := newKeptPool(t, f, 1)
	c, release, err := p.Lease(ctx)
	require.NoError(t, err)
	f.Node(c, "a").Crash()
	release()
	again, release, err := p.Lease(ctx)
	require.NoError(t, err)
	defer release()
	assert.NotSame(t, c, again)
	nodes, networks := f.Open()
	assert.Equal(t, 2, nodes)
	assert.Equal(t, 1, networks)
}

func TestPoolSaysWhyThereIsNoClusterAndTriesAgain(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	var tries atomic.Int32
	f.OnStart = func(Job) error {
		if tries.Add(1) <= 2 {
			return errors.New("no more room")
		}
		return nil
	}
	p := newKeptPool(t, f, 1)
	_, _, err := p.Lease(ctx)
	require.ErrorContains(t, err, "no more room")
	_, release, err := p.Lease(ctx)
	require.NoError(t, err)
	release()
}

func TestPoolCloseEndsLeasedClustersToo(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	f.Kept = true
	p, err := NewPool(ctx, f, 2, Spec{Name: "a"})
	require.NoError(t, err)
	_, release, err := p.Lease(ctx)
	require.NoError(t, err)
	require.NoError(t, p.Close(ctx))
	release()
	nodes, networks := f.Open()
	assert.Zero(t, nodes)
	assert.Zero(t, networks)
	_, _, err = p.Lease(ctx)
	assert.ErrorIs(t, err, ErrPoolClosed)
	require.NoError(t, p.Close(ctx))
}
