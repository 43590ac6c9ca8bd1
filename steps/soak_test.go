package steps

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
)

var (
	soak        = flag.Duration("soak", 11*time.Minute, "node time through which connections are kept under faults")
	connections = flag.Int("connections", 20, "how many")
)

// usage is what the process has in hand: all nodes of the test run in it.
type usage struct {
	goroutines, files int
	resident          int64 // bytes; 0 where the system does not tell
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %.0f MB resident", u.goroutines, u.files, float64(u.resident)/1e6)
}

func measure(t *testing.T) usage {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	u := usage{goroutines: runtime.NumGoroutine()}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.files = len(open)
	}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			pages, err := strconv.ParseInt(fields[1], 10, 64)
			require.NoError(t, err)
			u.resident = pages * int64(os.Getpagesize())
		}
	}
	return u
}

// drawn are faults of a source for the next minute, by chance.
func drawn(random *rand.Rand) []control.Rule {
	paths := []string{"/r3/metadata", "/auth/token", "/r3/Patient/*", "/r3/Observation", "/r3/Condition", "/r3/Practitioner/*", "/r3/Encounter/*", "/r3/**"}
	var rules []control.Rule
	for range 2 + random.IntN(5) {
		r := control.Rule{Match: control.Match{Path: paths[random.IntN(len(paths))]}, Every: 2 + random.IntN(12)}
		if r.Match.Path == "/r3/**" {
			r.Every += 20
		}
		failed := control.Answer{Status: 500 + random.IntN(5)}
		switch random.IntN(8) {
		case 0, 1:
			r.Answer = &failed
		case 2:
			r.Answer = &control.Answer{Status: 429, Headers: map[string]string{"Retry-After": strconv.Itoa(1 + random.IntN(90))}}
		case 3:
			r.Drop = true
		case 4:
			r.Cut = &control.Cut{After: int64(random.IntN(200))}
		case 5:
			r.Throttle = 200_000
		case 6:
			r.Wait = control.Duration(time.Duration(1+random.IntN(30)) * time.Millisecond)
		case 7:
			r.Answer = &control.Answer{Body: "<html>It works!</html>", Headers: map[string]string{"Content-Type": "text/html"}}
			r.Times = 1 + random.IntN(3)
		}
		rules = append(rules, r)
	}
	return rules
}

// Connections by the dozen, from sources that fault by chance: every one goes on, nothing is left behind,
// and in the end each record is whole.
func TestManyConnectionsThroughManyFaults(t *testing.T) {
	const patients = 10 // a source
	var population [][]byte
	for raw, err := range fixtures.Population(fixtures.PopulationOptions{Seed: 7, Patients: patients, Observations: 12}) {
		require.NoError(t, err)
		population = append(population, raw)
	}
	before := measure(t)
	t.Run("nodes", func(t *testing.T) {
		a := newArena(t, false, cluster.Spec{Name: "source", Load: population}, cluster.Spec{Name: "source-2", Load: population},
			cluster.Spec{Name: "target", Settings: control.Settings{RequestTimeout: control.Duration(time.Minute)}})
		a.soak(drawnBy(t), patients)
	})
	// The cluster has ended: so has all that it had in hand, a moment later.
	for range 100 {
		if runtime.NumGoroutine() <= before.goroutines+2 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	after := measure(t)
	t.Logf("before: %s; after the end of all nodes: %s", before, after)
	assert.LessOrEqual(t, after.goroutines, before.goroutines+2)
	assert.LessOrEqual(t, after.files, before.files+4)
}

func (a *arena) soak(seed uint64, patients int) {
	t, ctx := a.t, a.t.Context()
	random := rand.New(rand.NewPCG(seed, 2))
	sources := []string{"the source EHR", "the second source EHR"}
	for _, n := range a.Nodes() { // so that all rounds fall together
		_, err := n.Control.HoldClock(ctx)
		require.NoError(t, err)
	}
	var worlds []*world
	for i := range min(*connections, len(sources)*patients) {
		w, err := a.scene(ctx)
		require.NoError(t, err)
		worlds = append(worlds, w)
		require.NoError(t, w.moves(ctx, fmt.Sprintf(`the patient "pop-%04d"`, 1+i/len(sources)), sources[i%len(sources)], "the target EHR"))
	}
	for i := len(worlds); i < *connections; i++ { // more for the same people
		w := worlds[i%len(worlds)]
		require.NoError(t, w.authorizeSent(ctx, w.flow))
		require.NoError(t, w.granted(ctx))
		require.NoError(t, w.hasConnectedThem(ctx))
	}
	var samples []usage
	for minute := 0; minute < int(*soak/time.Minute); minute++ {
		for _, name := range []string{"source", "source-2"} {
			c := a.node(name).Control
			require.NoError(t, c.ClearRules(ctx))
			for _, r := range drawn(random) {
				_, err := c.AddRule(ctx, r)
				require.NoError(t, err)
			}
		}
		require.NoError(t, a.Advance(ctx, time.Minute))
		if minute%5 == 0 {
			samples = append(samples, measure(t))
			t.Logf("after %2d minutes: %s", minute+1, samples[len(samples)-1])
		}
	}
	a.steady(samples)
	for _, name := range []string{"source", "source-2"} {
		require.NoError(t, a.node(name).Control.ClearRules(ctx))
	}
	require.NoError(t, a.Advance(ctx, 11*time.Minute))
	a.allWhole(ctx, worlds)
}

// steady compares what the process has in hand in the second half with the
// first, of which the first third warms up: caches and the history fill.
func (a *arena) steady(samples []usage) {
	if len(samples) < 6 {
		return // too short to tell
	}
	high := func(list []usage) (most usage) {
		for _, u := range list {
			most.goroutines, most.files, most.resident = max(most.goroutines, u.goroutines), max(most.files, u.files), max(most.resident, u.resident)
		}
		return most
	}
	half := len(samples) / 2
	early, late := high(samples[half/2:half]), high(samples[half:])
	a.t.Logf("second quarter at most: %s; second half at most: %s", early, late)
	assert.LessOrEqual(a.t, late.goroutines, early.goroutines+early.goroutines/10+10)
	assert.LessOrEqual(a.t, late.files, early.files+early.files/10+10)
	assert.LessOrEqual(a.t, late.resident, early.resident+early.resident/10+16<<20)
}

// allWhole judges the end: every connection waits for its next round with
// nothing to complain of, and every record is there, each resource once.
func (a *arena) allWhole(ctx context.Context, worlds []*world) {
	state, err := a.node("target").Control.Copier(ctx)
	require.NoError(a.t, err)
	require.Len(a.t, state.Connections, *connections)
	for _, c := range state.Connections {
		assert.Equal(a.t, "waiting", c.Status, c.Message)
		assert.Empty(a.t, c.Message)
	}
	for _, w := range worlds {
		who := fmt.Sprintf(`the patient "%s"`, w.flow.patient)
		assert.NoError(a.t, w.holdsWhole(ctx, "the target EHR", who, w.flow.source.title()), w.flow)
	}
}
