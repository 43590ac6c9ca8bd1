package steps

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/cucumber/godog"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
)

// seed is that of all that is drawn in the tests of this package's endurance:
// -seed=N plays a run again.
var seed = flag.Uint64("seed", 0, "what moments and faults are drawn by; 0 = by the time")

// drawnBy is the seed of a test, which it prints.
func drawnBy(t *testing.T) uint64 {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: play it again with -seed=%d", s, s)
	return s
}

// arena is a cluster that a test itself acts in, by the steps' own methods.
type arena struct {
	*cluster.Cluster
	t   *testing.T
	env *Env
}

// newArena starts a cluster: embedded, or in Docker, where a test that is
// skipped for want of it says so.
func newArena(t *testing.T, docker bool, specs ...cluster.Spec) *arena {
	t.Helper()
	ctx := t.Context()
	choice := cluster.ChooseEmbedded
	if docker {
		var err error
		choice, err = cluster.ChoiceOf(os.Getenv("CCDE_DOCKER"))
		require.NoError(t, err)
		if choice == cluster.ChooseEmbedded {
			t.Skip("SKIPPED, Docker is not tested: CCDE_DOCKER=off")
		}
	}
	if testing.Short() && choice != cluster.ChooseDocker {
		t.Skip("SKIPPED: -short")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	const iss = "urn:uuid:5d2e6c1e-0000-4000-8000-00000000e4d0"
	rt, why, err := cluster.Auto(ctx, choice, cluster.Options{Trust: []control.KeySource{{Keys: JWKS(&key.PublicKey, ""), Issuer: iss}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close(context.Background())) })
	if docker && rt.Name() != "docker" {
		t.Skip("SKIPPED, Docker is not tested: " + why)
	}
	c, err := cluster.Start(ctx, rt, specs...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close(context.Background())) })
	a := &arena{Cluster: c, t: t, env: &Env{Dialect: "strict", Runtime: rt.Name(), HarnessKey: key, HarnessISS: iss, Timeouts: Timeouts{Request: time.Minute}}}
	a.env.Consumer, a.env.Admin = cluster.Bearers(rt)
	a.env.Pool = func(context.Context, Need) (*cluster.Cluster, func(), error) { return c, func() {}, nil }
	return a
}

// scene is a scenario's world without a scenario; worlds may act side by side.
func (a *arena) scene(ctx context.Context) (*world, error) {
	ctx, err := begin(ctx, a.env, &godog.Scenario{Name: a.t.Name(), Tags: nil})
	return worldOf(ctx), err
}

// node is a node's control client.
func (a *arena) node(name string) cluster.Node {
	a.t.Helper()
	n, err := a.Node(a.t.Context(), name)
	require.NoError(a.t, err)
	return n
}
