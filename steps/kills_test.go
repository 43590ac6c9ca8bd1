package steps

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
)

var (
	kills       = flag.Int("kills", 10, "how often a target is killed in the middle of copying")
	dockerKills = flag.Int("docker-kills", 5, "the same, in Docker")
)

// bigRecord is a patient, pop-0001, with 2,000 resources or more.
func bigRecord(t *testing.T) (bundle []byte, resources int) {
	t.Helper()
	for raw, err := range fixtures.Population(fixtures.PopulationOptions{Seed: 6, Patients: 1, Observations: 1700}) {
		require.NoError(t, err)
		bundle = raw
	}
	resources = bytes.Count(bundle, []byte(`"method":"PUT"`))
	require.GreaterOrEqual(t, resources, 2000)
	return bundle, resources
}

// A target that is killed again and again while it copies goes on where it stood: in the end it holds each
// resource once, equal to the source's (TGT-31, compared as protocol 1.5 says).
func TestKilledWhileItCopies(t *testing.T) { killWhileCopying(t, false, *kills) }

func TestKilledWhileItCopiesInDocker(t *testing.T) { killWhileCopying(t, true, *dockerKills) }

// killsACopy is how often one copy is cut short before the next one begins: so
// many kills fall all over a copy.
const killsACopy = 10

func killWhileCopying(t *testing.T, docker bool, kills int) {
	if underRace {
		t.Skip("SKIPPED under the race detector: the node that is killed is a process of its own, built without it")
	}
	bundle, resources := bigRecord(t)
	a := newArena(t, docker, cluster.Spec{Name: "source", Load: [][]byte{bundle}}, cluster.Spec{Name: "target", Process: true})
	random := rand.New(rand.NewPCG(drawnBy(t), 0))
	ctx := t.Context()

	// What a copy takes here and now; moments are drawn from it. A few kills do with a guess.
	whole := 3 * time.Second
	if kills > killsACopy {
		began := time.Now()
		a.connectBig(ctx)
		a.awaitWhole(ctx)
		whole = time.Since(began)
		t.Logf("a copy takes %s", whole.Round(time.Millisecond))
		require.NoError(t, a.Reset(ctx))
	}

	done, idle, copies, resumed := 0, 0, 0, map[string]int{}
	for done < kills {
		w := a.connectBig(ctx)
		cut := 0
		for done < kills && cut < killsACopy {
			time.Sleep(time.Duration(random.Int64N(int64(whole / killsACopy))))
			require.NoError(t, a.Kill(ctx, "target"))
			require.NoError(t, a.Restart(ctx, "target"))
			c := a.copied(ctx)
			if c.Status != "copying" && c.Status != "queued" {
				idle++ // it was over already: this one was not in the middle
				break
			}
			cut++
			done++
			resumed[c.Status]++
		}
		a.awaitWhole(ctx)
		// Idle, so that what the record of the last copy is compared with is all that will ever be there.
		assert.NoError(t, w.holdsWhole(ctx, "the target EHR", `the patient "pop-0001"`, "the source EHR"))
		c := a.copied(ctx)
		assert.Empty(t, c.Message)
		held := 0
		for _, n := range c.Copied {
			held += n
		}
		copies++
		t.Logf("copy %d: cut short %d times, %d resources held, each once", copies, cut, held)
		require.NoError(t, a.Reset(ctx))
	}
	t.Logf("%s: %d kills in the middle of %d copies of %d resources (%v), %d kills more after the end of a copy",
		a.env.Runtime, done, copies, resources, resumed, idle)
}

// connectBig connects source and target for the patient of the big record.
func (a *arena) connectBig(ctx context.Context) *world {
	a.t.Helper()
	w, err := a.scene(ctx)
	require.NoError(a.t, err)
	require.NoError(a.t, w.moves(ctx, `the patient "pop-0001"`, "the source EHR", "the target EHR"))
	return w
}

// copied is the target's one connection.
func (a *arena) copied(ctx context.Context) control.ConnectionState {
	a.t.Helper()
	state, err := a.node("target").Control.Copier(ctx)
	require.NoError(a.t, err)
	require.Len(a.t, state.Connections, 1)
	return state.Connections[0]
}

// awaitWhole waits until the target is at rest; what failed on the way is
// tried again until its time of the node's clock has come.
func (a *arena) awaitWhole(ctx context.Context) {
	a.t.Helper()
	for range 20 {
		require.NoError(a.t, a.Idle(ctx))
		if c := a.copied(ctx); c.Status == "waiting" && c.Message == "" {
			return
		}
		require.NoError(a.t, a.Advance(ctx, time.Minute))
	}
	require.Fail(a.t, "the copy comes to no good end", "%+v", a.copied(ctx))
}
